"""The verbs `recommend`, `similar` and `explain`."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Literal

import matinee
from matinee.cli.verbs import Outcome
from matinee.errors.text import shown
from matinee.ops.connection import answering
from matinee.ops.temporary import start_server
from matinee.registry import Registry
from matinee.release.idmap import Id, parse_id
from matinee.release.manifest import ReleaseManifest, read_manifest
from matinee.release.narrowing import Narrowing
from matinee.release.suggestion import Explanation, Reason, Suggestion
from matinee.settings.parse import read_settings
from matinee.store.identity import check_usable
from matinee.store.paths import check_place

_OTHER_FORMATS = {".csv", ".tsv", ".txt", ".json", ".jsonl"}
_USERS, _MOVIES = 3, 10  # of the lists that are printed; the file has all of them


def recommend(call: argparse.Namespace) -> Outcome:
    """Write lists of unseen movies: with --all by the recommend flow in this process, else without Prefect."""
    from matinee.store.output import check_output

    check_output(call.out)
    check_place(call.out, inputs=[each for each in (call.settings, call.only) if each])
    if call.all:  # a run holds a lock in the store
        check_usable(call.store)
    settings = read_settings(file=call.settings, assignments=call.set).recommend
    folder = Registry.open(call.store).champion_folder()  # before Prefect is waited for
    manifest = read_manifest(folder)
    users, exclude = parse_ids(manifest, "user", call.user or []), parse_ids(manifest, "movie", call.exclude)
    narrowing = Narrowing(
        exclude=exclude, years=call.years, per_franchise=call.per_franchise, per_year=call.per_year
    )
    out, lines = call.out.absolute(), []
    if call.all:
        wait_for_server = start_server(quiet=not call.verbose)
        from matinee.flows.recommend import recommend as flow

        wait_for_server()
        with answering():
            done = flow(
                store=str(call.store.absolute()),
                out=str(out),
                top=call.top,
                settings=settings,
                narrowing=narrowing,
                only=call.only and str(call.only.absolute()),
            )
    else:
        from matinee.recommend import read_movie_ids, recommend_some

        release = matinee.load(folder)
        is_text = release.movies.texts is not None
        narrowing = replace(narrowing, only=call.only and read_movie_ids(call.only, is_text=is_text))
        done = recommend_some(release, users, out=out, top=call.top, narrowing=narrowing)
        lines = [line for user in users[:_USERS] for line in _list_lines(release, user, call.top, narrowing)]
    facts = {**done.model_dump(), "seconds": {"recommend": done.seconds}}
    popular = f" ({done.unknown:,} of them unknown: popular movies)" if done.unknown else ""
    whom = f"{done.users:,} {'user' if done.users == 1 else 'users'}{popular} by {done.release}"
    if call.out.suffix.lower() in _OTHER_FORMATS:
        lines = [f"warning   {call.out} is a Parquet file, although its name ends differently", *lines]
    return Outcome(facts, [f"{done.rows:,} movies for {whom} in {call.out}, {done.seconds:.1f} s", *lines])


def parse_ids(manifest: ReleaseManifest, axis: Literal["user", "movie"], texts: Sequence[str]) -> list[Id]:
    """The ids of some options, of the kind that a release has. Raises ConfigError if one is not an integer."""
    is_text = manifest.ids.get("user_id" if axis == "user" else "movie_id") == "text"
    return [parse_id(text, axis, is_text=is_text) for text in texts]


def _list_lines(release: matinee.Release, user: Id, top: int, narrowing: Narrowing) -> list[str]:
    """The first movies of a user's list, with the rated movie that speaks most for each."""
    explain = release.ranking is not None
    found = release.recommend(user, min(top, _MOVIES), explain=explain, **narrowing.keywords())
    lines = [f"user {shown(user)}"]
    for rank, movie in enumerate(found, 1):
        because = f", because of {_name(movie.because)}, {movie.because.says}" if movie.because else ""
        lines.append(f"{rank:>4}  {_name(movie)}{because}")
    return lines


def similar(call: argparse.Namespace) -> Outcome:
    """List the movies that are most similar to one."""
    release = matinee.load(Registry.open(call.store).champion_folder())
    movie_id = release.movies.parse(call.movie, "movie")
    found = release.similar(movie_id, call.top)
    lines = [f"{movie.score:7.4f}  {movie.movie_id:>9}  {movie.title or '(no title)'}" for movie in found]
    facts = {
        "release": release.version,
        "movie_id": movie_id,
        "similar": [
            {"movie_id": movie.movie_id, "title": movie.title, "score": movie.score} for movie in found
        ],
    }
    return Outcome(facts, lines)


def explain(call: argparse.Namespace) -> Outcome:
    """List the ratings of a user that speak most for and against a movie."""
    release = matinee.load(Registry.open(call.store).champion_folder())
    user_id, movie_id = release.users.parse(call.user, "user"), release.movies.parse(call.movie, "movie")
    found = release.explain(user_id, movie_id)
    named, others = found.reasons[: call.top], found.reasons[call.top :]
    rest = sum(reason.share for reason in others)
    lines = [
        f"{found.score:7.4f}  {_name(found)}, by {release.version} for user {shown(user_id)}",
        *(f"{reason.share:+7.4f}  {_name(reason)}, {reason.says}" for reason in named),
        *([f"{rest:+7.4f}  {len(others):,} others"] if others else []),
        *([] if named else ["The release knows no movie of the user; the score is the movie's popularity."]),
    ]
    facts = {
        "release": release.version,
        "user_id": user_id,
        "movie_id": found.movie_id,
        "title": found.title,
        "score": found.score,
        "reasons": [asdict(reason) for reason in named],
        "others": {"reasons": len(others), "share": rest},
    }
    return Outcome(facts, lines)


def _name(movie: Explanation | Reason | Suggestion) -> str:
    return movie.title or f"movie {movie.movie_id}"
