"""The pages of a run, from the store's JSON: pure functions from what a step made to Markdown."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import JsonValue

from matinee.evaluate import list_tables, tables
from matinee.formats.dataset import Profile, rows_in_words
from matinee.formats.decision import DecisionFile, SlicesVerdict, SliceTest
from matinee.formats.example_lists import ExampleLists
from matinee.formats.manifests import CandidateManifest, DatasetManifest, EvaluationManifest
from matinee.formats.metrics import Metrics
from matinee.monitor.progressive import PICTURE, ChampionScore, read_series
from matinee.publish import Publication
from matinee.publish.card_front_matter import without_front_matter
from matinee.publish.markdown import bars, escape, example_sections, page, picture, table
from matinee.recommend import Recommended
from matinee.registry import Registry
from matinee.release import load
from matinee.release.folder import REPORT
from matinee.release.plays import NO_PREDICTIONS
from matinee.schemas.rejects import CODES
from matinee.store import Reference, Store
from matinee.store.documents import read_as
from matinee.store.metrics_file import AnyMetrics, read_metrics

_EXAMPLE_LENGTH: Final = 120  # characters of a rejected line; a corrupt file may have a line of a gigabyte
_LIST_ROWS: Final = 50  # of the file of lists


def data_report(store: Store, dataset: Reference) -> str:
    """Rows read and rejected, and the profile of the ratings."""
    manifest = store.read(DatasetManifest, dataset.digest)
    profile = read_as(store.path(dataset) / Profile.NAME, Profile)
    sources = [(source.name, source.role, source.bytes) for source in manifest.sources]
    plays = manifest.feedback == "implicit"
    return page(
        "Data",
        f"Rows: {rows_in_words(manifest.row_counts)}.",
        "\n".join(f"- {escape(warning)}" for warning in manifest.warnings),
        "## Rejects" if manifest.rejects else "",
        _rejects(store, manifest) if manifest.rejects else "",
        "## Plays" if plays else "## Ratings",
        _diagnostics(profile, plays=plays),
        "" if plays else bars("rating", profile.distribution),
        bars("year", profile.ratings_per_year),
        "## Files",
        table(["file", "role", "bytes"], sources[:50]),
        f"… and {len(sources) - 50:,} more files" if len(sources) > 50 else "",
    )


def progressive_report(store: Store, champion_score: ChampionScore) -> str:
    """The error of each champion on ratings newer than itself: its error in production."""
    points = read_series(store)
    if not points:
        return ""
    series = picture(store.root / PICTURE), table(*tables.series_table(points))
    return page("On newer ratings", escape(champion_score.says), *series)


def learning_curve(store: Store, evaluation: Reference) -> str:
    """The fit, epoch by epoch; empty for plays, whose ranking model has none."""
    judged = store.read(EvaluationManifest, evaluation.digest)
    if judged.candidate == judged.ranking:
        return ""
    candidate = store.read(CandidateManifest, judged.candidate)
    return page(
        "Training",
        *_explained(store, evaluation, "learning_curve"),
        table(*tables.training_table(candidate)),
        "## Settings",
        table(*tables.setting_table(candidate.settings)),
    )


def evaluation_report(store: Store, evaluation: Reference) -> str:
    """Candidate and baselines on the test rows, overall and by slice."""
    metrics = read_metrics(store.path(evaluation))
    hindsight = metrics.hindsight
    in_time = tables.time_table(metrics) if isinstance(metrics, Metrics) else None
    return page(
        "Evaluation",
        *_errors(metrics),
        "## Temporal holdout" if hindsight or in_time else "",
        escape(hindsight.says) if hindsight else "",
        table(*in_time) if in_time else "",
        "## Ranking",
        *(table(*each) for each in list_tables.measured_lists(metrics)),
        escape(tables.order_says(metrics)),
        *_examples(store, evaluation),
        *(_details(store, evaluation, metrics) if isinstance(metrics, Metrics) else ()),
    )


def _errors(metrics: AnyMetrics) -> Iterator[str]:
    """Errors on the test rows; of plays, that there are none."""
    if isinstance(metrics, Metrics):
        yield table(*tables.error_table(metrics, name="candidate"))
        yield tables.error_says(metrics)
    else:
        yield f"{tables.error_says(metrics)} {escape(NO_PREDICTIONS)}"


def _details(store: Store, evaluation: Reference, metrics: Metrics) -> Iterator[str]:
    yield "## Slices"
    yield from _explained(store, evaluation, "slices")
    yield table(*tables.slice_table(metrics))
    yield "## Errors"
    yield from _explained(store, evaluation, "calibration", "residuals", "long_tail")


def _examples(store: Store, evaluation: Reference) -> Iterator[str]:
    """Lists of ten users, with titles and reasons; none in an evaluation of an earlier version."""
    path = store.path(evaluation) / ExampleLists.NAME
    if path.exists():
        yield "### Lists of ten users"
        for user in read_as(path, ExampleLists).users:
            yield from example_sections(user)


def _explained(store: Store, evaluation: Reference, *names: str) -> Iterator[str]:
    """Plots, each with a sentence of explanation."""
    for name in names:
        yield picture(store.path(evaluation) / "plots" / f"{name}.png")
        yield escape(tables.PICTURES[name])


def gate_report(store: Store, evaluation: Reference) -> str:
    """The gate's decision, and every figure behind it."""
    decision = read_as(store.path(evaluation) / DecisionFile.NAME, DecisionFile)
    rules = decision.rules
    values = [
        (rule.name, name.replace("_", " "), value)
        for rule in rules
        for name, value in _flat(rule.figures)
        if not isinstance(value, list)
    ]
    columns = list(SliceTest.model_fields)
    slices = [
        list(each.model_dump().values())
        for rule in rules
        if isinstance(rule, SlicesVerdict)
        for each in rule.tested
    ]
    return page(
        "Gate: promoted" if decision.promoted else "Gate: held",
        escape(decision.reason),
        table(*tables.rule_table(decision)),
        "## Figures",
        table(["rule", "figure", "value"], values),
        "## Slices" if slices else "",
        table([name.replace("_", " ") for name in columns], slices) if slices else "",
        "" if decision.promoted else _how_to_promote(store, evaluation),
    )


def card(store: Store, publication: Publication) -> str:
    """The release's card with its plots; empty if the gate held the candidate."""
    if publication.location is None:
        return ""
    folder = Path(publication.location)
    text = without_front_matter((folder / "CARD.md").read_text("utf-8"))
    return re.sub(r"!\[[^]]*\]\((plots/[\w.-]+)\)", lambda found: picture(folder / found[1]), text)


def release_report(store: Store, publication: Publication) -> str:
    """The location of the release and how to use it, or why the candidate was held."""
    if publication.location is None:
        return page("No release: the gate held the candidate", escape(publication.reason))
    before = f" and replaces {publication.replaced}" if publication.replaced else ""
    code = f"import matinee\n\nrelease = matinee.load({publication.location!r})\nrelease.recommend(user_id, n=10)"
    return page(
        f"Release {publication.release}",
        f"It is the champion now{escape(before)}. Its folder: {escape(publication.location)}",
        _report_link(Path(publication.location) / REPORT),
        f"The tested weights are published, not the refit: {escape(publication.warning)}"
        if publication.warning
        else "",
        "```python\n" + code.replace("```", "") + "\n```",
    )


def _report_link(path: Path) -> str:
    """A link to the report, if the release has one. Browsers open it if the address is pasted."""
    if not path.is_file():
        return ""
    return f"[{REPORT}]({path.absolute().as_uri()}) has data, figures, plots, lists and lineage on one page."


def lists_report(store: Store, made: Recommended) -> str:
    """The location of the lists, and the lists of the first users."""
    first = pl.scan_parquet(made.out).head(_LIST_ROWS).collect()
    reasons = _reasons(store, made, first)
    if not first["expected_rating"].count():  # by a release of plays
        first = first.drop("expected_rating")
    return page(
        f"Lists by {made.release}",
        f"**{made.rows:,}** list entries for **{made.users:,}** users, made in {made.seconds:.1f} seconds.",
        f"The file: {escape(made.out)}",
        "## The first lists",
        table(
            [*first.columns, "because"],
            (
                (str(row[0]), row[1], str(row[2]), *row[3:], reason)
                for row, reason in zip(first.iter_rows(), reasons, strict=True)
            ),
        ),
    )


def _reasons(store: Store, made: Recommended, lists: pl.DataFrame) -> list[str]:
    """For each movie of some lists, the rated movie that speaks most for it."""
    release = load(Registry.open(store.root).folder(made.release))
    if release.ranking is None:
        return [""] * len(lists)
    found = []
    for user_id, movie_id in lists.select("user_id", "movie_id").iter_rows():
        reasons = release.explain(user_id, movie_id).reasons
        best = max(reasons, key=lambda reason: reason.share, default=None)
        spoken = best is not None and best.share > 0
        found.append(f"{best.title or best.movie_id}, {best.says}" if best and spoken else "")
    return found


def _flat(figures: Mapping[str, JsonValue]) -> Iterator[tuple[str, JsonValue]]:
    """Figures, with nested ones as `group_name`."""
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from ((f"{name}_{inner}", each) for inner, each in value.items())
        else:
            yield name, value


def _how_to_promote(store: Store, evaluation: Reference) -> str:
    candidate = store.read(EvaluationManifest, evaluation.digest).candidate
    return (
        f"The candidate stays in the store until it is pruned. To release it anyway:\n\n"
        f"```\nmatinee promote --store {str(store.root).replace('```', '')} {candidate}\n```"
    )


def _rejects(store: Store, manifest: DatasetManifest) -> str:
    """One row per code: count, meaning, and the first line with it."""
    tables = [store.folder("partitions", digest) / "rejects.parquet" for digest in manifest.partitions]
    first = pl.scan_parquet(tables).group_by("code", maintain_order=True).first().collect()
    examples = {
        row["code"]: f"{row['file']}:{row['line']}  {row['raw'][:_EXAMPLE_LENGTH]}"
        for row in first.iter_rows(named=True)
    }
    by_count = sorted(manifest.rejects.items(), key=lambda item: -item[1])
    return table(
        ["code", "rows", "meaning", "first"],
        [(code, rows, CODES.get(code, ""), examples.get(code, "")) for code, rows in by_count],
    )


def _diagnostics(profile: Profile, *, plays: bool) -> str:
    dates = profile.dates
    what = "plays" if plays else "ratings"
    facts: list[tuple[str, object]] = [
        ("users", profile.users),
        ("movies", profile.movies),
        (what, profile.ratings),
        ("cells of the full matrix", profile.full_matrix),
        ("percentage filled", profile.percentage_filled),
        *([] if plays else [("mean rating", profile.mean_rating)]),
        ("first and last date", f"{dates.first} to {dates.last}" if dates.first else "none"),
        ("undated", profile.undated),
        (f"{'played' if plays else 'rated'} movies without a title", profile.rated_movies_without_a_title),
    ]
    return table(["", ""], facts) + "\n\n" + table(*tables.spread_table(profile, rows=what))
