"""The verbs `recommend`, `similar` and `explain`."""

import argparse
from dataclasses import asdict

import matinee
from matinee.cli.verbs import Outcome
from matinee.ops.connection import answering
from matinee.ops.temporary import start_server
from matinee.registry import Registry
from matinee.release.suggestion import Explanation, Reason, Suggestion
from matinee.settings.parse import read_settings
from matinee.store.identity import check_usable
from matinee.store.paths import check_place


def recommend(call: argparse.Namespace) -> Outcome:
    """Write lists of unseen movies: with --all by the recommend flow in this process, else without Prefect."""
    from matinee.store.output import check_output

    check_output(call.out)
    check_place(call.out, inputs=[call.settings] if call.settings else [])
    if call.all:  # a run holds a lock in the store
        check_usable(call.store)
    settings = read_settings(file=call.settings, assignments=call.set).recommend
    folder = Registry.open(call.store).champion_folder()  # before Prefect is waited for
    out = call.out.absolute()
    if call.all:
        wait_for_server = start_server(quiet=not call.verbose)
        from matinee.flows.recommend import recommend as flow

        wait_for_server()
        with answering():
            done = flow(store=str(call.store.absolute()), out=str(out), top=call.top, settings=settings)
    else:
        from matinee.recommend import recommend_some

        done = recommend_some(matinee.load(folder), call.user, out=out, top=call.top)
    facts = {**done.model_dump(), "seconds": {"recommend": done.seconds}}
    popular = f" ({done.unknown:,} unknown users get popular movies)" if done.unknown else ""
    whom = f"{done.users:,} users{popular} by {done.release}"
    return Outcome(facts, f"{done.rows:,} movies for {whom} in {call.out}, {done.seconds:.1f} s")


def similar(call: argparse.Namespace) -> Outcome:
    """List the movies that are most similar to one."""
    release = matinee.load(Registry.open(call.store).champion_folder())
    found = release.similar(call.movie, call.top)
    lines = [f"{movie.score:7.4f}  {movie.movie_id:>9}  {movie.title or '(no title)'}" for movie in found]
    facts = {
        "release": release.version,
        "movie_id": call.movie,
        "similar": [
            {"movie_id": movie.movie_id, "title": movie.title, "score": movie.score} for movie in found
        ],
    }
    return Outcome(facts, lines)


def explain(call: argparse.Namespace) -> Outcome:
    """List the ratings of a user that speak most for and against a movie."""
    release = matinee.load(Registry.open(call.store).champion_folder())
    found = release.explain(call.user, call.movie)
    named, others = found.reasons[: call.top], found.reasons[call.top :]
    rest = sum(reason.share for reason in others)
    lines = [
        f"{found.score:7.4f}  {_name(found)}, by {release.version} for user {call.user}",
        *(f"{reason.share:+7.4f}  {_name(reason)}, rated {reason.rating:g}" for reason in named),
        *([f"{rest:+7.4f}  {len(others):,} others"] if others else []),
        *(
            []
            if named
            else ["The user rated nothing that the release knows; the score is the movie's popularity."]
        ),
    ]
    facts = {
        "release": release.version,
        "user_id": call.user,
        "movie_id": found.movie_id,
        "title": found.title,
        "score": found.score,
        "reasons": [asdict(reason) for reason in named],
        "others": {"reasons": len(others), "share": rest},
    }
    return Outcome(facts, lines)


def _name(movie: Explanation | Reason | Suggestion) -> str:
    return movie.title or f"movie {movie.movie_id}"
