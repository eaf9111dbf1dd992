"""The lines that `matinee retrain` prints when a run has finished."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Final

from matinee.formats.dataset import rows_in_words
from matinee.formats.metrics import Metrics
from matinee.formats.play_metrics import PlayMetrics
from matinee.formats.steps import Step
from matinee.registry import Registry
from matinee.store.remote import address_of

if TYPE_CHECKING:
    from matinee.pipeline.summary import Summary

_SHOWN_SECONDS: Final = 0.05  # a shorter step is not listed
_REASON: Final = 320  # characters
_MOST_LINES: Final = 6  # of rejects, and of warnings: the report of a run fits a screen


def run_lines(summary: "Summary", *, ratings: list[str], store: Path, seconds: float) -> list[str]:
    """The result of a run as lines: rows, the time of each step, the gate's reason, the release and its RMSE.

    Args:
        summary: The result.
        ratings: The sources of the run.
        store: The store.
        seconds: The time of the whole command.
    """
    times = [
        f"{step} {spent:.1f} s"
        for step, spent in summary.seconds.items()
        if spent >= _SHOWN_SECONDS and step not in summary.cached
    ]
    done = [f"cached    {', '.join(summary.cached)}: finished before, skipped"] if summary.cached else []
    return [
        rows_line(summary.rows),
        *reject_lines(summary.rejects),
        *warning_lines(summary.warnings),
        *done,
        f"time      {seconds:.1f} s in all{': ' if times else ''}{', '.join(times)}",
        f"gate      {shorten(summary.reason, _REASON, placeholder=' …')}",
        f"release   {_release_line(summary, store)}",
        _figures_line(summary.metrics, ratings),
    ]


def _figures_line(metrics: Metrics | PlayMetrics, ratings: list[str]) -> str:
    """The RMSE next to that of bias-only; of plays, nDCG@10 next to that of popularity."""
    if not isinstance(metrics, Metrics):
        return f"ndcg@10   {metrics.ndcg_at_10:.4f}   popularity {metrics.popularity_ndcg_at_10:.4f}"
    best = _best_rmse(ratings)
    lowest = f"   lowest possible {best:.4f}" if best is not None else ""
    return f"rmse      {metrics.rmse:.4f}   bias-only {metrics.bias_only_rmse:.4f}{lowest}"


def _release_line(summary: "Summary", store: Path) -> str:
    """Where the release is, as other hosts name it too, or why there is none."""
    if not summary.promoted:
        return _held_line(summary, store)
    return f"{address_of(store)}/releases/{summary.release} (champion)"


def _held_line(summary: "Summary", store: Path) -> str:
    digest = summary.folders[Step.TRAIN if Step.TRAIN in summary.folders else Step.RANK].rpartition("/")[2]
    reasons = f"`matinee show --store {shlex.quote(str(store))} {digest}` has all reasons"
    registry = Registry(store)
    for manifest in registry.manifests():
        if manifest.candidate == digest and manifest.version == registry.champion():
            return (
                f"{manifest.version} stays the champion, although the gate holds its candidate now; {reasons}"
            )
        if manifest.candidate == digest:
            again = promotion(store, manifest.version)
            return (
                f"none: the gate held the candidate, which is release {manifest.version} already; `{again}` makes it "
                f"the champion again, and {reasons}"
            )
    return (
        f"none: the gate held the candidate; `{promotion(store, digest)}` publishes it anyway, and {reasons}"
    )


def promotion(store: Path, candidate: str) -> str:
    """The command that publishes a held candidate, for a shell."""
    return f"matinee promote --store {shlex.quote(str(store))} {candidate}"


def rows_line(rows: Mapping[str, int]) -> str:
    """Rows read, accepted and rejected."""
    return f"rows      {rows_in_words(rows)}"


def reject_lines(rejects: Mapping[str, int]) -> list[str]:
    """One line per reject code, the most frequent first; the last line has what does not fit."""
    by_count = sorted(rejects.items(), key=lambda item: -item[1])
    shown, others = by_count[:_MOST_LINES], by_count[_MOST_LINES:]
    if len(others) > 1:
        shown = [*shown, (f"of {len(others)} other kinds", sum(count for _, count in others))]
    else:
        shown = by_count
    return [f"          {count:>9,} {code}" for code, count in shown]


def warning_lines(warnings: Sequence[str]) -> list[str]:
    """One line per warning; the last line says how many others there are."""
    lines = [f"warning   {warning}" for warning in warnings[:_MOST_LINES]]
    if others := len(warnings) - _MOST_LINES if len(warnings) > _MOST_LINES + 1 else 0:
        return [*lines, f"warning   {others} other warnings; --json has all of them"]
    return [f"warning   {warning}" for warning in warnings[: _MOST_LINES + 1]]


def _best_rmse(ratings: list[str]) -> float | None:
    """The lowest possible RMSE, if the ratings are generated by `matinee sample`."""
    truth = Path(ratings[0]).parent / "truth.json"
    try:
        return float(json.loads(truth.read_text("utf-8"))["best_rmse"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
