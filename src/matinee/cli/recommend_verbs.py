"""The verbs `recommend`, `similar` and `explain`."""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from matinee.cli.outcome import Outcome
from matinee.cli.verbs import section_settings
from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.ops.connection import answering
from matinee.ops.temporary_server import start_server
from matinee.registry import Registry
from matinee.registry.champion import load
from matinee.release import Release
from matinee.release.idmap import Id, parse_id
from matinee.release.manifest import ReleaseManifest, read_manifest
from matinee.release.narrowing import Narrowing
from matinee.release.suggestion import Explanation, Reason, Suggestion
from matinee.settings import RecommendSettings
from matinee.store import progress
from matinee.store.identity import check_usable
from matinee.store.paths import check_place

if TYPE_CHECKING:
    from matinee.recommend import Recommended

_OTHER_FORMATS = {".csv", ".tsv", ".txt", ".json", ".jsonl"}
_WIDE = 48  # longer titles are not aligned
_USERS, _MOVIES = 3, 10  # of the lists that are printed; the file has all of them


def recommend(call: argparse.Namespace) -> Outcome:
    """Lists of unseen movies: with --all by the recommend flow in this process, else without Prefect."""
    from matinee.store.output import check_output

    if call.out is None and call.all:
        raise ConfigError(
            "`--all` needs a file for the lists: add `--out lists.parquet`. `--user ID` prints lists without a file."
        )
    if call.out is not None:
        check_output(call.out)
        check_place(call.out, inputs=[each for each in (call.settings, call.only) if each])
    if call.all:  # a run holds a lock in the store
        check_usable(call.store)
    settings = section_settings(call, "recommend").recommend
    folder = Registry.open(call.store).champion_folder()  # before Prefect is waited for
    manifest = read_manifest(folder)
    users, exclude = parse_ids(manifest, "user", call.user or []), parse_ids(manifest, "movie", call.exclude)
    narrowing = Narrowing(
        exclude=exclude, years=call.years, per_franchise=call.per_franchise, per_year=call.per_year
    )
    if call.all:
        return _written(call.out, _run_flow(call, settings, narrowing))
    release = load(folder)
    if call.only:
        from matinee.recommend import read_movie_ids

        only = read_movie_ids(call.only, is_text=release.movies.texts is not None)
        narrowing = replace(narrowing, only=only)
    if call.out is None:
        return _listed(release, list(dict.fromkeys(users)), call.top, narrowing)
    from matinee.recommend import recommend_some

    done = recommend_some(release, users, out=call.out.absolute(), top=call.top, narrowing=narrowing)
    shortened = min(call.top, _MOVIES)
    found = [_list_of(release, user, shortened, narrowing) for user in users[:_USERS]]
    return _written(call.out, done, [line for each in found for line in _list_lines(each)])


def _run_flow(call: argparse.Namespace, settings: RecommendSettings, narrowing: Narrowing) -> "Recommended":
    progress.begin("starting Prefect")
    server = start_server(quiet=not call.verbose)
    from matinee.flows.recommend import recommend as flow

    if server:
        server.wait()
    with answering():
        return flow(
            store=str(call.store.absolute()),
            out=str(call.out.absolute()),
            top=call.top,
            settings=settings,
            narrowing=narrowing,
            only=call.only and str(call.only.absolute()),
        )


def _written(out: Path, done: "Recommended", lines: Sequence[str] = ()) -> Outcome:
    facts = {**done.model_dump(), "seconds": {"recommend": done.seconds}}
    popular = f" ({done.unknown:,} of them unknown: popular movies)" if done.unknown else ""
    whom = f"{done.users:,} {'user' if done.users == 1 else 'users'}{popular} by {done.release}"
    if out.suffix.lower() in _OTHER_FORMATS:
        lines = [f"warning   {out} is a Parquet file, although its name ends differently", *lines]
    warned = [line for line in lines if line.startswith("warning")]
    text = [f"{done.rows:,} list entries for {whom} in {out}, {done.seconds:.1f} s", *lines]
    return Outcome(facts, text, notable=warned)


def _listed(release: Release, users: Sequence[Id], top: int, narrowing: Narrowing) -> Outcome:
    """Lists for the terminal, without a file."""
    started = time.perf_counter()
    found = [_list_of(release, user, top, narrowing) for user in users]
    unknown = (release.users.find(users, "user") < 0).tolist()
    facts = {
        "release": release.version,
        "users": len(users),
        "rows": sum(len(movies) for _, movies in found),
        "out": None,
        "unknown": sum(unknown),
        "lists": [{"user_id": user, "movies": [asdict(movie) for movie in movies]} for user, movies in found],
        "seconds": {"recommend": round(time.perf_counter() - started, 4)},
    }
    notes = [
        "  (unknown to the release: popular movies; the score is their popularity)" if each else ""
        for each in unknown
    ]
    lines = [line for each, note in zip(found, notes, strict=True) for line in _list_lines(each, note)]
    return Outcome(facts, lines)


def parse_ids(manifest: ReleaseManifest, axis: Literal["user", "movie"], texts: Sequence[str]) -> list[Id]:
    """The ids of some options, of the kind that a release has. Raises ConfigError if one is not an integer."""
    is_text = manifest.ids.get("user_id" if axis == "user" else "movie_id") == "text"
    return [parse_id(text, axis, is_text=is_text) for text in texts]


def _list_of(release: Release, user: Id, top: int, narrowing: Narrowing) -> tuple[Id, Sequence[Suggestion]]:
    """A user, and the user's list with the rated movie that adds most to each score."""
    explain = release.ranking is not None
    return user, release.recommend(user, top, explain=explain, **narrowing.keywords())


def _list_lines(listed: tuple[Id, Sequence[Suggestion]], note: str = "") -> list[str]:
    user, movies = listed
    titles = [movie.title or "(no title)" for movie in movies]
    reasons = [f"{_name(each.because)} ({each.because.says})" if each.because else "" for each in movies]
    heads = ("title", "because of") if any(reasons) else ("title", "")
    # Without the longest ones, which would push the second column off the screen.
    width = max((len(title) for title in titles if len(title) <= _WIDE), default=0)
    texts = [f"{title:<{width}}  {reason}".rstrip() for title, reason in zip(titles, reasons, strict=True)]
    if not movies:
        return [f"user {shown(user)}{note}", "no movie is left for this list"]
    return [
        f"user {shown(user)}{note}",
        f"rank    score  {'movie':>9}  {heads[0]:<{width}}  {heads[1]}".rstrip(),
        *(
            f"{rank:>4}  {movie.score:7.4f}  {movie.movie_id:>9}  {text}"
            for rank, (movie, text) in enumerate(zip(movies, texts, strict=True), 1)
        ),
    ]


def similar(call: argparse.Namespace) -> Outcome:
    """List the movies that are most similar to one."""
    release = load(Registry.open(call.store).champion_folder())
    movie_id = release.movies.parse(call.movie, "movie")
    found = release.similar(movie_id, call.top)
    lines = [
        f"most similar to movie {shown(movie_id)}",
        f"  score  {'movie':>9}  title",
        *(f"{movie.score:7.4f}  {movie.movie_id:>9}  {movie.title or '(no title)'}" for movie in found),
    ]
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
    release = load(Registry.open(call.store).champion_folder())
    user_id, movie_id = release.users.parse(call.user, "user"), release.movies.parse(call.movie, "movie")
    found = release.explain(user_id, movie_id)
    named, others = found.reasons[: call.top], found.reasons[call.top :]
    rest = sum(reason.share for reason in others)
    lines = [
        f"{found.score:7.4f}  {_name(found)}, by {release.version} for user {shown(user_id)}",
        *(
            f"{reason.share:+7.4f}  {_name(reason)}, {reason.says}{_is_itself(reason, found)}"
            for reason in named
        ),
        *([f"{rest:+7.4f}  {len(others):,} others"] if others else []),
        *([] if named else [f"{_why_no_reasons(release, user_id)}; the score is the movie's popularity."]),
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


def _why_no_reasons(release: Release, user_id: Id) -> str:
    known = int(release.users.find([user_id], "user")[0]) >= 0
    return (
        "The release knows no movie of the user"
        if known
        else f"The release does not know user {shown(user_id)}"
    )


def _is_itself(reason: Reason, found: Explanation) -> str:
    return (
        ": the movie itself, which is never in this user's list" if reason.movie_id == found.movie_id else ""
    )


def _name(movie: Explanation | Reason | Suggestion) -> str:
    return movie.title or f"movie {movie.movie_id}"
