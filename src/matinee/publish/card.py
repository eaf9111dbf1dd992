"""The card of a release: what a person should know before using it, as Markdown with its plots beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matinee.errors.text import shown
from matinee.evaluate.tables import (
    PICTURES,
    Table,
    error_table,
    order_says,
    order_table,
    slice_table,
    time_table,
    training_table,
)

_REASON = 2_000  # characters
_LIMITS = """\
- A figure on randomly drawn test rows flatters: the model has seen ratings from after them. Expect worse on
  tomorrow's ratings.
- The error is measured on movies that people chose to rate, not on movies at random.
- A user or a movie without a rating in the training rows gets the mean and the bias of the other side.
- Users that `matinee forget` took out since are not in the files any more, and still are in these figures;
  `forgotten` in `manifest.json` counts them."""


def write_card(
    folder: Path, *, manifest: Mapping[str, Any], metrics: Mapping[str, Any], profile: Mapping[str, Any]
) -> None:
    """Write CARD.md into a release's folder; the plots it shows are those in `plots/`."""
    sections = [
        f"# Release {manifest['version']}",
        f"A `{manifest['model']}` model that predicts ratings from {manifest['scale'][0]:g} to "
        f"{manifest['scale'][1]:g}, published {manifest['created']}.",
        "## Figures",
        _figures(metrics),
        f"The gate: {shown(manifest['decision']['reason'], _REASON)}",
        *(_picture(folder, name) for name in PICTURES),
        "### Slices",
        _rows(slice_table(metrics)),
        "RMSE with its 95 % interval, clustered by user and movie; a slice of few rows has a wide one.",
        "## Data",
        _data(manifest, profile),
        "## Training",
        _rows(training_table(manifest["training"])),
        "All settings are in `settings.json`, all figures in `metrics.json`.",
        "## Limits",
        _LIMITS,
        "## Lineage",
        _table({name: manifest[name] for name in ("dataset", "candidate", "evaluation", "digest")})
        + f"\n| split | {manifest['split']['digest']} |",
        "Made with " + ", ".join(f"{name} {version}" for name, version in manifest["versions"].items()) + ".",
    ]
    (folder / "CARD.md").write_text("\n\n".join(section for section in sections if section) + "\n", "utf-8")


def _picture(folder: Path, name: str) -> str:
    there = (folder / "plots" / f"{name}.png").exists()
    return f"![{name.replace('_', ' ')}](plots/{name}.png)\n\n{PICTURES[name]}" if there else ""


def _figures(metrics: Mapping[str, Any]) -> str:
    interval = metrics["intervals"]["rmse"]
    low, high = interval["low"], interval["high"]
    hindsight, in_time = metrics.get("hindsight"), time_table(metrics)
    parts = [
        _rows(error_table(metrics, name="this release")),
        f"{metrics['rows']:,} test rows of {metrics['users']:,} users and {metrics['movies']:,} movies; the RMSE "
        f"lies between {low:.4f} and {high:.4f} with 95 % certainty, clustered by user and movie.",
        hindsight["says"] if hindsight else "",
        _rows(in_time) if in_time else "",
        _rows(order_table(metrics)),
        order_says(metrics),
    ]
    return "\n\n".join(part for part in parts if part)


def _rows(table: Table) -> str:
    lines = [table.head, ["---"] * len(table.head), *([_told(value) for value in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _data(manifest: Mapping[str, Any], profile: Mapping[str, Any]) -> str:
    counts = manifest["split"]["counts"]
    parts = ", ".join(f"{count:,} {part}" for part, count in counts.items())
    dates = profile.get("dates") or {}
    between = f", rated {dates['first']} to {dates['last']}" if dates.get("first") else ""
    return (
        f"{profile['ratings']:,} ratings by {profile['users']:,} users of {profile['movies']:,} movies{between}; "
        f"{profile['percentage_filled']:.2f} % of the full matrix.\n\n"
        f"Split `{manifest['split']['settings']['strategy']}`: {parts}. The released weights were fitted on "
        f"{manifest['rows_fitted']:,} rows."
    )


def _table(values: Mapping[str, Any]) -> str:
    return "\n".join(
        [
            "| | |",
            "| --- | --- |",
            *(f"| {name.replace('_', ' ')} | {_told(value)} |" for name, value in values.items()),
        ]
    )


def _told(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else shown(value)
