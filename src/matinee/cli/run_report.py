"""What people read of a finished run: its result, line by line."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def tell_run(summary: Mapping[str, Any], *, ratings: list[str], store: Path) -> list[str]:
    """A finished run, line by line: rows, seconds, the gate's reason, where the release lies and how good it is."""
    metrics, seconds = summary["metrics"], summary["seconds"]
    best = _best_rmse(ratings)
    reachable = f"   best reachable {best:.4f}" if best is not None else ""
    done = (
        [f"cached    {', '.join(summary['cached'])}: nothing to compute again"] if summary["cached"] else []
    )
    release = f"{summary['location']} (champion)" if summary["promoted"] else _held_line(summary, store)
    return [
        rows_line(summary["rows"]),
        *reject_lines(summary["rejects"]),
        *(f"warning   {warning}" for warning in summary["warnings"]),
        *done,
        "seconds   " + "  ".join(f"{step} {spent:.1f}" for step, spent in seconds.items()),
        f"gate      {summary['reason']}",
        f"release   {release}",
        f"rmse      {metrics['rmse']:.4f}   bias only {metrics['bias_only_rmse']:.4f}{reachable}",
    ]


def _held_line(summary: Mapping[str, Any], store: Path) -> str:
    digest = summary["folders"]["train"].rpartition("/")[2]
    call = f"matinee promote --store {shlex.quote(str(store))} {digest}"
    return f"none: the champion stays; `{call}` publishes it all the same"


def rows_line(rows: Mapping[str, int]) -> str:
    """Rows read, accepted and rejected."""
    return f"rows      {rows['read']:,} read, {rows['accepted']:,} accepted, {rows['rejected']:,} rejected"


def reject_lines(rejects: Mapping[str, int]) -> list[str]:
    """A line a reject code, the most frequent first."""
    return [
        f"          {count:>9,} {code}" for code, count in sorted(rejects.items(), key=lambda item: -item[1])
    ]


def _best_rmse(ratings: list[str]) -> float | None:
    """The best reachable RMSE, where the ratings are sample data and say so."""
    truth = Path(ratings[0]).parent / "truth.json"
    try:
        return float(json.loads(truth.read_text("utf-8"))["best_rmse"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
