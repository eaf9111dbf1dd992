"""The card of a release: its quality, data, training and limits, as Markdown with plots."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matinee.errors.text import shown
from matinee.evaluate.list_tables import (
    example_says,
    example_table,
    list_table,
    shown_table,
    temporal_list_table,
)
from matinee.evaluate.tables import (
    PICTURES,
    Table,
    error_table,
    order_says,
    slice_table,
    time_table,
    training_table,
)
from matinee.formats.dataset import Profile
from matinee.formats.example_lists import ExampleLists
from matinee.formats.manifests import CandidateManifest
from matinee.formats.metrics import Metrics
from matinee.release.folder import EXAMPLES
from matinee.store.documents import read_as

_REASON = 2_000  # characters
_LIMITS = """\
- Figures on randomly drawn test rows are optimistic, because the model was trained on later ratings too. Expect a
  higher error on future ratings.
- The error is measured on movies that people chose to rate, not on random movies.
- A user or a movie without a rating in the training rows gets the mean plus the known bias, if there is one.
- Users erased later by `matinee forget` are removed from the files, but are still included in these figures;
  `forgotten` in `manifest.json` counts them."""


def write_card(
    folder: Path,
    *,
    manifest: Mapping[str, Any],
    metrics: Metrics,
    profile: Profile,
    candidate: CandidateManifest,
) -> None:
    """Write CARD.md into a release's folder; it shows the plots in `plots/`."""
    sections = [
        f"# Release {manifest['version']}",
        f"A `{manifest['model']}` model that predicts ratings from {manifest['scale'][0]:g} to "
        f"{manifest['scale'][1]:g}, published {manifest['created']}.",
        "## Figures",
        _figures(metrics, examples=(folder / EXAMPLES).exists()),
        f"The gate: {shown(manifest['decision']['reason'], _REASON)}",
        *(_picture(folder, name) for name in PICTURES),
        "### Slices",
        _rows(slice_table(metrics)),
        "RMSE with its 95 % interval, clustered by user and movie; slices with few rows have wide intervals.",
        "## Data",
        _data(manifest, profile),
        "## Training",
        _rows(training_table(candidate, timed=False)),
        "All settings are in `settings.json`, all figures in `metrics.json`.",
        "## Limits",
        _LIMITS,
        "## Lineage",
        _table({name: manifest[name] for name in ("dataset", "candidate", "evaluation", "digest")})
        + f"\n| split | {manifest['split']['digest']} |",
        "Made with " + ", ".join(f"{name} {version}" for name, version in manifest["versions"].items()) + ".",
    ]
    (folder / "CARD.md").write_text("\n\n".join(section for section in sections if section) + "\n", "utf-8")


def write_examples(folder: Path, evaluation: Path) -> None:
    """Write the lists of ten users into a release's folder, if the evaluation has them; the card links the file.

    They have a file of their own, so that whoever erases a user can remove it.
    """
    if not (evaluation / ExampleLists.NAME).exists():  # one of an earlier version
        return
    lists = read_as(evaluation / ExampleLists.NAME, ExampleLists)
    sections = ["# Lists of ten users", "By the ranking model, without the movies that each had rated."]
    for user in lists.users:
        sections += [shown(example_says(user), _REASON), _rows(example_table(user))]
    (folder / EXAMPLES).write_text("\n\n".join(sections) + "\n", "utf-8")


def _picture(folder: Path, name: str) -> str:
    there = (folder / "plots" / f"{name}.png").exists()
    return f"![{name.replace('_', ' ')}](plots/{name}.png)\n\n{PICTURES[name]}" if there else ""


def _figures(metrics: Metrics, *, examples: bool) -> str:
    low, high = metrics.intervals.rmse.low, metrics.intervals.rmse.high
    hindsight, in_time = metrics.hindsight, time_table(metrics)
    shown, in_time_lists = shown_table(metrics), temporal_list_table(metrics)
    sections = [
        _rows(error_table(metrics, name="this release")),
        f"{metrics.rows:,} test rows of {metrics.users:,} users and {metrics.movies:,} movies; the 95 % "
        f"interval of the RMSE is {low:.4f} to {high:.4f}, clustered by user and movie.",
        hindsight.says if hindsight else "",
        _rows(in_time) if in_time else "",
        _rows(list_table(metrics)),
        _rows(shown) if shown else "",
        _rows(in_time_lists) if in_time_lists else "",
        f"Lists of ten users, with titles and reasons: [{EXAMPLES}]({EXAMPLES})." if examples else "",
        order_says(metrics),
    ]
    return "\n\n".join(section for section in sections if section)


def _rows(table: Table) -> str:
    lines = [table.head, ["---"] * len(table.head), *([_text(value) for value in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _data(manifest: Mapping[str, Any], profile: Profile) -> str:
    counts = manifest["split"]["counts"]
    parts = ", ".join(f"{count:,} {part}" for part, count in counts.items())
    dates = profile.dates
    between = f", rated {dates.first} to {dates.last}" if dates.first else ""
    return (
        f"{profile.ratings:,} ratings by {profile.users:,} users of {profile.movies:,} movies{between}; "
        f"{profile.percentage_filled:.2f} % of the full matrix.\n\n"
        f"Split `{manifest['split']['settings']['strategy']}`: {parts}. The released weights were fitted on "
        f"{manifest['rows_fitted']:,} rows."
    )


def _table(values: Mapping[str, str]) -> str:
    return "\n".join(
        [
            "| | |",
            "| --- | --- |",
            *(f"| {name.replace('_', ' ')} | {_text(value)} |" for name, value in values.items()),
        ]
    )


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else shown(value)
