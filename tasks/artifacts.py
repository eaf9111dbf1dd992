"""The pages of a run in Prefect's UI: Markdown from the store's JSON. Text from users' files is escaped."""

import base64
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl
from prefect.artifacts import create_markdown_artifact

from matinee.errors.text import shown
from matinee.evaluate import tables as figures
from matinee.monitor.progressive import PICTURE, ChampionScore, read_series
from matinee.publish import Publication
from matinee.recommend import Recommended
from matinee.schemas.rejects import CODES
from matinee.store import Reference, Store
from matinee.store.documents import read_json

log = logging.getLogger("matinee.run")

_TEXT_LENGTH: Final = 4_000  # characters of untrusted text
_EXAMPLE_LENGTH: Final = 120  # characters of a rejected line; a corrupt file may have a line of a gigabyte
_BAR_WIDTH: Final = 30
_LIST_ROWS: Final = 50  # of the file of lists
# All other characters have no meaning in Markdown or HTML inside a line.
# Escaped with backslashes, because the UI shows HTML entities literally.
_MARKUP = re.compile(r"[!-$&*:-@\[-`{-~]")


def escape(text: object) -> str:
    """Escape untrusted text for Markdown, on one line, also for a table cell."""
    line = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", str(text))
    return _MARKUP.sub(r"\\\g<0>", shown(line, _TEXT_LENGTH))


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table; numbers are right-aligned, all cells are escaped."""
    body = [[_cell(value) for value in row] for row in rows]
    names = list(head)
    right = [
        bool(body) and all(re.fullmatch(r"[-+0-9.,]*%?", row[i]) for row in body) for i in range(len(names))
    ]
    lines = [names, ["---:" if is_number else "---" for is_number in right], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def picture(path: Path) -> str:
    """A PNG embedded in the Markdown: the UI serves no files of the store."""
    name = path.stem.replace("_", " ")
    return f"![{name}](data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()})"


def data_report(store: Store, dataset: Reference) -> str:
    """Rows read and rejected, and the profile of the ratings."""
    manifest = store.manifest(dataset.kind, dataset.digest)
    profile = read_json(store.path(dataset) / "profile.json")
    sources = [(source["name"], source["role"], source["bytes"]) for source in manifest["sources"]]
    return _page(
        "Data",
        f"**{manifest['rows_read']:,}** rows read, **{manifest['rows']:,}** accepted, "
        f"**{manifest['rows_rejected']:,}** rejected.",
        "\n".join(f"- {escape(warning)}" for warning in manifest["warnings"]),
        "## Rejects" if manifest["rejects"] else "",
        _rejects(store, manifest) if manifest["rejects"] else "",
        "## Ratings",
        _diagnostics(profile),
        _bars("rating", profile["distribution"]),
        _bars("year", profile["ratings_per_year"]),
        "## Files",
        table(["file", "role", "bytes"], sources[:50]),
        f"… and {len(sources) - 50:,} more files" if len(sources) > 50 else "",
    )


def progressive_report(store: Store, champion_score: ChampionScore) -> str:
    """The error of each champion on ratings newer than itself: its error in production."""
    points = read_series(store)
    if not points:
        return ""
    series = picture(store.root / PICTURE), table(*figures.series_table(points))
    return _page("On newer ratings", escape(champion_score.says), *series)


def learning_curve(store: Store, evaluation: Reference) -> str:
    """The fit, epoch by epoch."""
    candidate = store.manifest("candidates", store.manifest("evaluations", evaluation.digest)["candidate"])
    settings = candidate["settings"]
    chosen = [
        (f"{section}.{name}", str(value).lower() if isinstance(value, bool) else str(value))
        for section, values in settings.items()
        for name, value in values.items()
        if value is not None
    ]
    return _page(
        "Training",
        *_explained(store, evaluation, "learning_curve"),
        table(*figures.training_table(candidate)),
        "## Settings",
        table(["setting", "value"], chosen),
    )


def evaluation_report(store: Store, evaluation: Reference) -> str:
    """Candidate and baselines on the test rows, overall and by slice."""
    metrics = read_json(store.path(evaluation) / "metrics.json")
    interval = metrics["intervals"]["rmse"]
    hindsight, in_time = metrics["hindsight"], figures.time_table(metrics)
    return _page(
        "Evaluation",
        table(*figures.error_table(metrics, name="candidate")),
        f"{metrics['rows']:,} test rows of {metrics['users']:,} users and {metrics['movies']:,} movies. The 95 % "
        f"interval of the RMSE is {interval['low']:.4f} to {interval['high']:.4f}.",
        "## Temporal holdout" if hindsight or in_time else "",
        escape(hindsight["says"]) if hindsight else "",
        table(*in_time) if in_time else "",
        "## Ranking",
        table(*figures.order_table(metrics)),
        escape(figures.order_says(metrics)),
        "## Slices",
        *_explained(store, evaluation, "slices"),
        table(*figures.slice_table(metrics)),
        "## Errors",
        *_explained(store, evaluation, "calibration", "residuals", "long_tail"),
    )


def _explained(store: Store, evaluation: Reference, *names: str) -> Iterator[str]:
    """Plots, each with a sentence of explanation."""
    for name in names:
        yield picture(store.path(evaluation) / "plots" / f"{name}.png")
        yield escape(figures.PICTURES[name])


def gate_report(store: Store, evaluation: Reference) -> str:
    """The gate's decision, and every figure behind it."""
    decision = read_json(store.path(evaluation) / "decision.json")
    rules = decision["rules"]
    shown_above = {"name", "passed", "says"}
    values = [
        (rule["name"], name.replace("_", " "), value)
        for rule in rules
        for name, value in _flat(rule)
        if name not in shown_above and not isinstance(value, list)
    ]
    columns = ("slicing", "slice", "rows", "difference", "standard_error", "p")
    slices = [[each[name] for name in columns] for rule in rules for each in rule.get("tested", [])]
    return _page(
        "Gate: promoted" if decision["promoted"] else "Gate: held",
        escape(decision["reason"]),
        table(
            ["rule", "result", "reason"],
            [(rule["name"], "passed" if rule["passed"] else "held", rule["says"]) for rule in rules],
        ),
        "## Figures",
        table(["rule", "figure", "value"], values),
        "## Slices" if slices else "",
        table([name.replace("_", " ") for name in columns], slices) if slices else "",
        "" if decision["promoted"] else _how_to_promote(store, evaluation),
    )


def card(store: Store, publication: Publication) -> str:
    """The release's card with its plots; empty if the gate held the candidate."""
    if publication.location is None:
        return ""
    folder = Path(publication.location)
    text = (folder / "CARD.md").read_text("utf-8")
    return re.sub(r"!\[[^]]*\]\((plots/[\w.-]+)\)", lambda found: picture(folder / found[1]), text)


def release_report(store: Store, publication: Publication) -> str:
    """The location of the release and how to use it, or why the candidate was held."""
    if publication.location is None:
        return _page("No release: the champion stays", escape(publication.reason))
    before = f" and replaces {publication.replaced}" if publication.replaced else ""
    code = f"import matinee\n\nrelease = matinee.load({publication.location!r})\nrelease.recommend(user_id, n=10)"
    return _page(
        f"Release {publication.release}",
        f"It is the champion now{escape(before)}. Its folder: {escape(publication.location)}",
        f"The tested weights are published, not the refit: {escape(publication.warning)}"
        if publication.warning
        else "",
        "```python\n" + code.replace("```", "") + "\n```",
    )


def lists_report(store: Store, made: Recommended) -> str:
    """The location of the lists, and the lists of the first users."""
    first = pl.scan_parquet(made.out).head(_LIST_ROWS).collect()
    return _page(
        f"Lists by {made.release}",
        f"**{made.rows:,}** list entries for **{made.users:,}** users, made in {made.seconds:.1f} seconds.",
        f"The file: {escape(made.out)}",
        "## The first lists",
        table(first.columns, ((str(row[0]), row[1], str(row[2]), *row[3:]) for row in first.iter_rows())),
    )


PAGES: Final[Mapping[str, Mapping[str, Callable[..., str]]]] = {
    "ingest": {"data": data_report},
    "progressive": {"progressive": progressive_report},
    "evaluate": {"learning-curve": learning_curve, "evaluation": evaluation_report, "gate": gate_report},
    "publish": {"card": card, "release": release_report},
    "recommend": {"lists": lists_report},
}


def show(step: str, store: Store, made: Reference | Publication | Recommended | ChampionScore) -> None:
    """Add the pages of a finished step to the run; if a page fails, a warning is logged."""
    for key, write in PAGES.get(step, {}).items():
        try:
            if text := write(store, made):
                create_markdown_artifact(text, key=key, description=write.__doc__)
        except Exception as error:  # noqa: BLE001 - pages are optional: no run may fail because of one
            log.warning("The page %s could not be shown (%s: %s).", key, type(error).__name__, error)


def _flat(figures: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Figures, with nested ones as `group_name`."""
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from ((f"{name}_{inner}", each) for inner, each in value.items())
        else:
            yield name, value


def _how_to_promote(store: Store, evaluation: Reference) -> str:
    candidate = store.manifest("evaluations", evaluation.digest)["candidate"]
    return (
        f"The candidate stays in the store until it is pruned. To release it anyway:\n\n"
        f"```\nmatinee promote --store {str(store.root).replace('```', '')} {candidate}\n```"
    )


def _page(title: str, *sections: str) -> str:
    return "\n\n".join([f"# {title}", *(section for section in sections if section)]) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if value.is_integer():
            return f"{value:,.0f}"
        if 10 <= abs(value) < 1e6:
            return f"{value:,.2f}"
        return f"{value:.4f}" if 1e-3 <= abs(value) < 10 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else escape("" if value is None else value)


def _rejects(store: Store, manifest: Mapping[str, Any]) -> str:
    """One row per code: count, meaning, and the first line with it."""
    tables = [store.folder("partitions", digest) / "rejects.parquet" for digest in manifest["partitions"]]
    first = pl.scan_parquet(tables).group_by("code", maintain_order=True).first().collect()
    examples = {
        row["code"]: f"{row['file']}:{row['line']}  {row['raw'][:_EXAMPLE_LENGTH]}"
        for row in first.iter_rows(named=True)
    }
    by_count = sorted(manifest["rejects"].items(), key=lambda item: -item[1])
    return table(
        ["code", "rows", "meaning", "first"],
        [(code, rows, CODES.get(code, ""), examples.get(code, "")) for code, rows in by_count],
    )


def _diagnostics(profile: Mapping[str, Any]) -> str:
    dates = profile["dates"]
    facts = [
        ("users", profile["users"]),
        ("movies", profile["movies"]),
        ("ratings", profile["ratings"]),
        ("cells of the full matrix", profile["full_matrix"]),
        ("percentage filled", profile["percentage_filled"]),
        ("mean rating", profile["mean_rating"]),
        ("first and last date", f"{dates['first']} to {dates['last']}" if dates["first"] else "none"),
        ("undated", profile["undated"]),
        ("rated movies without a title", profile["rated_movies_without_a_title"]),
    ]
    spread = ("min", "p10", "median", "p90", "p99", "max", "mean")
    spreads = [
        (name, *(profile[f"ratings_per_{name}"].get(point) for point in spread)) for name in ("user", "movie")
    ]
    return table(["", ""], facts) + "\n\n" + table(["ratings per", *spread], spreads)


def _bars(name: str, counts: Mapping[str, int]) -> str:
    """Counts as a table with one bar per row."""
    if not counts:
        return ""
    most, total = max(counts.values()) or 1, sum(counts.values()) or 1
    rows = [
        (f"{value}", rows, f"{100 * rows / total:.1f}%", "█" * round(_BAR_WIDTH * rows / most))
        for value, rows in counts.items()
    ]
    return table([name, "ratings", "share", ""], rows)
