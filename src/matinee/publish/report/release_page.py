"""The report of a release: one HTML file for people, with plots, tables, lists and origin."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from matinee.errors.text import minute
from matinee.evaluate.list_tables import example_says, example_table, measured_lists
from matinee.evaluate.tables import (
    CALIBRATION,
    PICTURES,
    Table,
    error_says,
    error_table,
    learning_says,
    order_says,
    rule_table,
    series_table,
    setting_table,
    slice_table,
    spread_table,
    time_table,
    training_table,
    unknown_says,
)
from matinee.formats.dataset import Profile, rows_in_words
from matinee.formats.decision import DriftVerdict
from matinee.formats.metrics import Metrics, SliceFigures
from matinee.formats.slice_names import SLICE_NAMES
from matinee.formats.written_settings import by_full_name
from matinee.publish.report.limits import LIMITS, PLAY_LIMITS
from matinee.publish.report.pages import render
from matinee.publish.report.plots import data_url
from matinee.publish.report.release_facts import Neighbours, ReportFacts, collect_facts
from matinee.publish.report.release_plots import calibration_plot, learning_plot, series_plot, slices_plot
from matinee.release.folder import REPORT
from matinee.release.manifest import ReleaseManifest
from matinee.release.plays import OF_PLAYS
from matinee.store import Store

_WEAK: Final = 5  # slices that are named
_FEWEST: Final = 30  # rows of such a slice
_LAST: Final = 10  # releases that are listed
_LIST_CAPTIONS: Final = {  # by the second word of the table's heading
    "by,": "How well lists find what users liked",
    "of": "Which movies lists show",
    "for": "Lists of a model of older {}, measured on the latest ones",
}


def _caption(table: Table, *, plays: bool) -> str:
    return _LIST_CAPTIONS.get(table.head[0].split()[1], "Lists").format("plays" if plays else "ratings")


def write_report(folder: Path, *, store: Store, manifest: ReleaseManifest) -> None:
    """Write report.html into the folder that becomes a release.

    Args:
        folder: The folder; all files but card, report and manifest are in it.
        store: The store that it was made in.
        manifest: Its manifest, in which the list of files may be missing.
    """
    (folder / REPORT).write_text(release_page(collect_facts(store, folder, manifest)), "utf-8")


def release_page(facts: ReportFacts) -> str:
    """The report as one HTML file, which needs no other file and no network."""
    manifest, metrics = facts.manifest, facts.metrics
    rated = metrics if isinstance(metrics, Metrics) else None
    return render(
        "release.html",
        manifest=manifest,
        opening=_opening(manifest),
        decision=_first_clause(manifest.decision.reason),
        plays=rated is None,
        headline=_headline(facts),
        facts=facts,
        rows_says=rows_in_words(facts.dataset.row_counts) if facts.dataset else "",
        bars=_bars(facts.profile, plays=rated is None),
        spread=spread_table(facts.profile, rows="rows") if facts.profile else None,
        error_says=error_says(metrics),
        errors=[error_table(rated, name="this release")] if rated else [],
        in_time=time_table(rated) if rated else None,
        lists=[(_caption(found, plays=rated is None), found) for found in measured_lists(metrics)],
        order_says=order_says(metrics, name="this release"),
        unknown_says=unknown_says(metrics),
        weak=_weak_slices(rated) if rated else [],
        slices=slice_table(rated) if rated else None,
        limits=LIMITS if rated else PLAY_LIMITS,
        plot=_plots(facts, rated),
        calibration_says=CALIBRATION,
        learning_says=learning_says(facts.fit),
        pictures=_pictures(facts),
        examples=[(each.user_id, example_says(each), example_table(each)) for each in facts.examples],
        neighbours=_neighbour_table(facts.neighbours),
        drift=_drift_table(facts),
        no_drift_says=_why_no_drift(facts),
        releases=_release_table([*facts.earlier, manifest]),
        series=series_table(facts.points) if facts.points else None,
        rules=rule_table(facts.decision) if facts.decision else None,
        training=training_table(facts.fit) if facts.fit else None,
        lineage=_lineage(manifest),
        settings=setting_table(facts.settings),
    )


def _plots(facts: ReportFacts, rated: Metrics | None) -> dict[str, str]:
    return {
        "slices": slices_plot(rated) if rated else "",
        "calibration": calibration_plot(rated) if rated else "",
        "learning": learning_plot(facts.history) if facts.history else "",
        "series": series_plot(facts.points),
    }


def _pictures(facts: ReportFacts) -> dict[str, tuple[str, str]]:
    shown = [name for name in ("long_tail", "residuals") if name in facts.plots]
    return {name: (data_url(facts.plots[name]), PICTURES[name]) for name in shown}


def _opening(manifest: ReleaseManifest) -> str:
    low, high = manifest.scale
    if low == high:
        return OF_PLAYS
    return (
        f"A `{manifest.model}` model that predicts ratings from {low:g} to {high:g} and lists unseen movies."
    )


def _first_clause(reason: str) -> str:
    """The first reason of a decision, without its figures; what follows is under the rules."""
    clause, *rest = re.split(r"; |: (?=difference )", reason, maxsplit=1)
    return f"{clause}." if rest else reason


def _headline(facts: ReportFacts) -> list[tuple[str, str, str]]:
    """The main figures: name, value, and what to compare it with."""
    metrics, ranking = facts.metrics, facts.metrics.ranking
    found = []
    if isinstance(metrics, Metrics):
        low, high = metrics.intervals.rmse.low, metrics.intervals.rmse.high
        interval = f"95%: {low:.4f} to {high:.4f}; " if low < high else ""
        found += [
            ("RMSE", f"{metrics.rmse:.4f}", f"{interval}lower is better"),
            (
                "RMSE of bias-only",
                f"{metrics.bias_only_rmse:.4f}",
                f"global mean: {metrics.global_mean_rmse:.4f}",
            ),
        ]
    ndcg = ranking.recommend.ndcg_at_10
    popular = f"popularity: {ranking.popularity.ndcg_at_10:.4f}; higher is better"
    found.append(("nDCG@10 of the lists", f"{ndcg:.4f}", popular))
    if facts.profile:
        users, movies = f"{facts.profile.users:,} users", f"{facts.profile.movies:,} movies"
        found.append(("rows of the data", f"{facts.profile.ratings:,}", f"{users}, {movies}"))
    return found


def _bars(
    profile: Profile | None, *, plays: bool
) -> list[tuple[str, str, list[tuple[str, int, float, float]]]]:
    """Counts of rows: caption, head, and per line value, rows, share of all, and length of the bar, in percent."""
    if profile is None:
        return []
    counts = [] if plays else [("Ratings by value", "rating", profile.distribution)]
    counts.append(("Rows by year", "year", profile.ratings_per_year))
    return [(caption, head, _lengths(each)) for caption, head, each in counts if each]


def _lengths(counts: Mapping[str, int]) -> list[tuple[str, int, float, float]]:
    total, most = sum(counts.values()) or 1, max(counts.values()) or 1
    return [(value, rows, 100 * rows / total, 100 * rows / most) for value, rows in counts.items()]


def _weak_slices(metrics: Metrics) -> list[tuple[str, SliceFigures]]:
    """The slices on which the error is higher beyond doubt than on all rows, the highest first."""
    found = [
        (SLICE_NAMES[name].format(each.slice), each)
        for name, figures in metrics.slices.items()
        for each in figures
        if each.rows >= _FEWEST and each.low > metrics.rmse
    ]
    return sorted(found, key=lambda pair: -pair[1].rmse)[:_WEAK]


def _neighbour_table(found: Sequence[Neighbours]) -> Table:
    rows = [
        (each.title, each.rows, "; ".join(f"{title} ({cosine:.2f})" for title, cosine in each.closest))
        for each in found
    ]
    return Table(("movie", "train rows", "closest movies, with the cosine"), rows)


def _drift_table(facts: ReportFacts) -> Table | None:
    """How far the data is from that of the champion before, the limits, and the drifts before."""
    rules = facts.decision.rules if facts.decision else []
    verdict = next((rule for rule in rules if isinstance(rule, DriftVerdict)), None)
    if verdict is None:
        return None
    past = (facts.decision.drifts if facts.decision else [])[-_LAST:-1]
    names = {
        "psi": "PSI of the ratings",
        "psi_new": "PSI of the new ratings",
        "new_users": "share of rows of new users",
        "new_movies": "share of rows of new movies",
        "lost": "share of rows that are gone",
        "growth": "additional rows, as a share",
    }
    rows = [
        (
            label,
            f"{getattr(verdict, name):.4f}",
            f"{getattr(verdict, f'{name}_limit'):.4f}",
            *([", ".join(f"{each[name]:.4f}" for each in past if name in each)] if past else ()),
        )
        for name, label in names.items()
    ]
    return Table(
        ("figure", "this dataset", "limit", *(["datasets before, oldest first"] if past else ())), rows
    )


def _why_no_drift(facts: ReportFacts) -> str:
    if facts.manifest.judged_against is None:
        return "There was no earlier data to compare with."
    if facts.decision is None:
        return "The evaluation of this release is no longer in the store."
    if by_full_name(facts.settings).get("gate.drift") is False:
        return "The gate did not look at drift (gate.drift=false)."
    return "The data of the earlier champion is no longer in the store."


def _release_table(releases: Sequence[ReleaseManifest]) -> Table:
    """The last releases, newest first."""
    rows = [
        (
            each.version,
            minute(each.created or ""),
            each.metrics.get("rmse", each.metrics.get("ndcg_at_10")),
            each.judged_against or "none",
            each.metrics.get("rows"),
            each.rows_fitted,
        )
        for each in reversed(releases[-_LAST:])
    ]
    figure = "RMSE" if "rmse" in releases[-1].metrics else "nDCG@10"
    return Table(("release", "published", figure, "judged against", "test rows", "rows fitted"), rows)


def _lineage(manifest: ReleaseManifest) -> Table:
    split = manifest.split
    counts = ", ".join(f"{rows:,} {subset}" for subset, rows in split.counts.items()) if split else ""
    strategy = split.settings.strategy if split else None
    rows = [
        ("dataset", manifest.dataset),
        ("split", f"{split.digest} ({strategy}: {counts})" if split else None),
        ("candidate", manifest.candidate),
        ("ranking model", manifest.ranking),
        ("evaluation", manifest.evaluation),
        ("release", manifest.digest),
        ("compared with", manifest.judged_against or "none: it was the first"),
        ("made with", ", ".join(f"{name} {version}" for name, version in manifest.versions.items())),
    ]
    return Table(("", "digest or value"), [row for row in rows if row[1]])
