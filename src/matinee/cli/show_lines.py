"""The lines that `matinee show` prints; they fit a screen of 80 columns and 24 lines."""

from collections.abc import Iterator, Sequence
from typing import Final

from matinee.cli.figure_names import FIGURE_NAMES
from matinee.cli.run_report import reject_lines, warning_lines
from matinee.errors.text import minute
from matinee.formats.dataset import rows_in_words
from matinee.formats.shown import ShownDataset, ShownFigure, ShownRun, ShownSettings
from matinee.formats.written_settings import setting_text

_BY_HAND: Final = {"promote": "`matinee promote`", "rollback": "`matinee rollback`"}
_MOST: Final = 4  # lines of a list; --json has all of it


def dataset_lines(shown: ShownDataset) -> Iterator[str]:
    """A dataset: where it is from, and what the rows look like."""
    yield f"dataset   {shown.digest}"
    yield f"made      {minute(shown.made)}"
    yield f"rows      {rows_in_words(shown.rows)}"
    yield from reject_lines(shown.rejects)
    yield from data_lines(shown)
    profile = shown.profile
    what = "plays" if shown.feedback == "implicit" else "ratings"
    for side, spread in (("user", profile.ratings_per_user), ("movie", profile.ratings_per_movie)):
        if spread:
            low, median, high = (f"{spread[point]:,.0f}" for point in ("min", "median", "max"))
            yield f"          {what} per {side}: {low} to {high}, median {median}"
    rejected = sum(shown.title_rejects.values())
    yield (
        f"titles    {profile.titles:,} movies"
        + (f", {rejected:,} lines rejected" if rejected else "")
        + f"; {profile.rated_movies_without_a_title:,} movies with {what} have no title"
    )
    yield from _file_lines(shown)
    yield from warning_lines(shown.warnings)
    yield f"releases  {', '.join(shown.releases) or 'none'}"
    yield f"folder    {shown.location}, {size_of(shown.bytes)} with its partitions"


def run_lines(shown: ShownRun) -> Iterator[str]:
    """A release or a run: what it is, from which data, how good, and where it is."""
    if shown.kind == "release":
        state = "the champion" if shown.champion else "not the champion"
        yield f"release   {shown.name}, {state}{', signed' if shown.signed else ''}"
        yield f"published {minute(shown.made)}"
    else:
        yield f"run       {shown.name}, {_outcome(shown)}"
        yield f"evaluated {minute(shown.made)}"
    if shown.promotion and shown.promotion.action in _BY_HAND:
        by = f" by {shown.promotion.by}" if shown.promotion.by else ""
        yield f"promoted  {minute(shown.promotion.at)}{by} with {_BY_HAND[shown.promotion.action]}"
    yield from _model_lines(shown)
    if shown.dataset is None:
        yield "data      the dataset is no longer in the store"
    else:
        yield from data_lines(shown.dataset)
        yield from _file_lines(shown.dataset)
    yield from setting_lines(shown.settings)
    for figure in shown.figures:
        yield _figure_line(figure)
    if shown.test_rows is not None:
        yield f"          on {shown.test_rows:,} test rows, with 95% intervals"
    yield f"gate      {shown.reason or 'no decision'}"
    for rule in shown.rules:
        if not rule.passed and rule.says not in shown.reason:
            yield f"          {rule.name}: {rule.says}"
    yield f"folder    {shown.location}"
    largest = [f"{name} {size_of(size)}" for name, size in list(shown.files.items())[:_MOST]]
    yield f"          {len(shown.files)} files, {size_of(shown.bytes)}; the largest are {', '.join(largest)}"
    yield "made of   " + ", ".join(f"{kind} {digest[:10]}" for kind, digest in shown.digests.items())
    if shown.report:
        yield f"report    {shown.report}"


def _outcome(shown: ShownRun) -> str:
    if shown.release:
        return f"published as {shown.release}{' (the champion)' if shown.champion else ''}"
    return "held by the gate" if shown.held else "not published"


def _model_lines(shown: ShownRun) -> Iterator[str]:
    rows = "" if shown.rows_fitted is None else f" on {shown.rows_fitted:,} rows"
    times = {"train": "fit", "rank": "ranking model"}
    spent = [f"{times.get(name, name)} {seconds:.1f} s" for name, seconds in shown.seconds.items()]
    device = f" ({shown.device})" if shown.device else ""
    yield f"model     {shown.model}{rows}" + (f"; {', '.join(spent)}{device}" if spent else "")


def data_lines(shown: ShownDataset) -> Iterator[str]:
    """What the rows of a dataset are, in one line."""
    profile = shown.profile
    what = "plays" if shown.feedback == "implicit" else "ratings"
    low, high = shown.scale
    scale = "" if shown.feedback == "implicit" else f" from {low:g} to {high:g}"
    days = f", {profile.dates.first} to {profile.dates.last}" if profile.dates.first else ", without dates"
    yield f"data      {profile.ratings:,} {what}{scale} by {profile.users:,} users of {profile.movies:,} movies{days}"


def _file_lines(shown: ShownDataset) -> Iterator[str]:
    """The rating files with their rows, and the titles file."""
    label = "files"
    sizes = {source.name: source.bytes for source in shown.sources}
    for file in shown.files[:_MOST]:
        size = f", {size_of(sizes[file.file])}" if file.file in sizes else ""
        test = " (test rows)" if file.role == "test" else ""
        rows = (
            f"{file.rows:,} rows"
            if file.rows == file.rows_read
            else f"{file.rows:,} of {file.rows_read:,} rows"
        )
        yield f"{label:<8}  {file.file}{test}: {rows}{size}"
        label = ""
    if others := shown.files[_MOST:]:
        yield f"          {len(others):,} others: {sum(file.rows for file in others):,} rows"
    for source in shown.sources:
        if source.role == "titles":
            yield f"          {source.name} (titles): {size_of(source.bytes)}"


def setting_lines(shown: ShownSettings | None) -> Iterator[str]:
    """The settings that are not the defaults, in one line."""
    if shown is None:
        yield "settings  of another version"
        return
    preset = f"preset {shown.preset}"
    if not shown.changed:
        yield f"settings  {preset}, all defaults"
        return
    found = [
        f"{each.name}={setting_text(each.value)} (default {setting_text(each.default)})"
        for each in shown.changed
    ]
    yield f"settings  {preset}, and {_joined(found)}"


def _figure_line(figure: ShownFigure) -> str:
    interval = (
        "" if figure.low is None or figure.high is None else f" ({figure.low:.4f} to {figure.high:.4f})"
    )
    beside = "".join(
        f"   {FIGURE_NAMES.get(name, name)} {value:.4f}" for name, value in figure.beside.items()
    )
    return f"{FIGURE_NAMES.get(figure.name, figure.name):<8}  {figure.value:.4f}{interval}{beside}"


def _joined(words: Sequence[str]) -> str:
    most = 2 * _MOST
    more = f" and {len(words) - most} others" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def size_of(size: int) -> str:
    """A number of bytes in MB or kB."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"
