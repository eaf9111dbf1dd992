"""The card of a release: its quality, data, training and limits, as Markdown with plots."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

from matinee.errors.text import shown
from matinee.evaluate.list_tables import measured_lists
from matinee.evaluate.tables import (
    PICTURES,
    error_says,
    error_table,
    learning_says,
    order_says,
    slice_table,
    time_table,
    training_table,
)
from matinee.formats.dataset import Profile
from matinee.formats.example_lists import ExampleLists
from matinee.formats.manifests import CandidateManifest
from matinee.formats.metrics import Metrics
from matinee.publish.card_front_matter import front_matter
from matinee.publish.markdown import example_sections, table
from matinee.publish.report.limits import LIMITS, PLAY_LIMITS
from matinee.release.folder import EXAMPLES
from matinee.release.manifest import ReleaseManifest, SplitNote
from matinee.release.plays import OF_PLAYS, PLAYS_MODEL
from matinee.store.documents import read_as
from matinee.store.metrics_file import AnyMetrics

_REASON = 2_000  # characters


def write_card(
    folder: Path,
    *,
    manifest: ReleaseManifest,
    metrics: AnyMetrics,
    profile: Profile,
    candidate: CandidateManifest | None,
) -> None:
    """Write CARD.md into a release's folder; it shows the plots in `plots/`. Of plays, `candidate` is None."""
    split = manifest.published_split
    captions = {**PICTURES, "learning_curve": learning_says(candidate)}
    sections = [
        front_matter(manifest, metrics),
        f"# Release {manifest.version}",
        _opening(manifest),
        "## Figures",
        _figures(metrics),
        _list_figures(metrics, examples=(folder / EXAMPLES).exists()),
        f"The gate: {shown(manifest.decision.reason, _REASON)}",
        *(_picture(folder, name, says) for name, says in captions.items()),
        _slices(metrics),
        "## Data",
        _data(manifest, split, profile),
        "## Training",
        _training(manifest, candidate),
        "All settings are in `settings.json`, all figures in `metrics.json`.",
        "## Limits",
        _bullets(PLAY_LIMITS if candidate is None else LIMITS),
        "## Lineage",
        _lineage(manifest, split),
    ]
    (folder / "CARD.md").write_text("\n\n".join(section for section in sections if section) + "\n", "utf-8")


def _lineage(manifest: ReleaseManifest, split: SplitNote) -> str:
    digests = {name: getattr(manifest, name) for name in ("dataset", "candidate", "evaluation", "digest")}
    made_with = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    return f"{table(['', ''], {**digests, 'split': split.digest}.items())}\n\nMade with {made_with}."


def _bullets(sentences: Sequence[str]) -> str:
    return "\n".join(fill(each, 120, initial_indent="- ", subsequent_indent="  ") for each in sentences)


def write_examples(folder: Path, evaluation: Path) -> None:
    """Write the lists of ten users into a release's folder, if the evaluation has them; the card links the file.

    They are in a separate file, so `forget` can remove it.
    """
    if not (evaluation / ExampleLists.NAME).exists():  # one of an earlier version
        return
    lists = read_as(evaluation / ExampleLists.NAME, ExampleLists)
    sections = [
        "# Lists of ten users",
        "By the tested ranking model, from the rows that it was fitted on; movies of these rows are left out. "
        "`recommend` also uses the user's test rows, so its lists can differ.",
    ]
    for user in lists.users:
        sections += example_sections(user)
    (folder / EXAMPLES).write_text("\n\n".join(sections) + "\n", "utf-8")


def _picture(folder: Path, name: str, says: str) -> str:
    there = (folder / "plots" / f"{name}.png").exists()
    return f"![{name.replace('_', ' ')}](plots/{name}.png)\n\n{says}" if there else ""


def _opening(manifest: ReleaseManifest) -> str:
    low, high = manifest.scale
    if manifest.model == PLAYS_MODEL:
        return f"{OF_PLAYS} Published {manifest.created}."
    return (
        f"A `{manifest.model}` model that predicts ratings from {low:g} to {high:g}, published "
        f"{manifest.created}."
    )


def _figures(metrics: AnyMetrics) -> str:
    in_time = time_table(metrics) if isinstance(metrics, Metrics) else None
    sections = [
        table(*error_table(metrics, name="this release")) if isinstance(metrics, Metrics) else "",
        error_says(metrics),
        metrics.hindsight.says if metrics.hindsight else "",
        table(*in_time) if in_time else "",
    ]
    return "\n\n".join(section for section in sections if section)


def _list_figures(metrics: AnyMetrics, *, examples: bool) -> str:
    sections = [
        *(table(*each) for each in measured_lists(metrics)),
        f"Lists of ten users, with titles and reasons: [{EXAMPLES}]({EXAMPLES})." if examples else "",
        order_says(metrics, name="this release"),
    ]
    return "\n\n".join(section for section in sections if section)


def _slices(metrics: AnyMetrics) -> str:
    if not isinstance(metrics, Metrics):
        return ""
    says = (
        "RMSE with its 95% interval, clustered by user and movie; slices with few rows have wide intervals, and those "
        "of a single row have none."
    )
    return "\n\n".join(["### Slices", table(*slice_table(metrics)), says])


def _training(manifest: ReleaseManifest, candidate: CandidateManifest | None) -> str:
    if candidate is None:
        return f"The ranking model was fitted in {manifest.training.seconds_rank:.1f} seconds."
    return table(*training_table(candidate, timed=False))


def _data(manifest: ReleaseManifest, split: SplitNote, profile: Profile) -> str:
    parts = ", ".join(f"{count:,} {part}" for part, count in split.counts.items())
    dates = profile.dates
    what, done = ("plays", "played") if manifest.model == PLAYS_MODEL else ("ratings", "rated")
    between = f", {done} {dates.first} to {dates.last}" if dates.first else ""
    return (
        f"{profile.ratings:,} {what} by {profile.users:,} users of {profile.movies:,} movies{between}; "
        f"{profile.percentage_filled:.2f}% of the full matrix.\n\n"
        f"Split `{split.settings.strategy}`: {parts}. The released weights were fitted on "
        f"{manifest.rows_fitted:,} rows."
    )
