"""The verb `compare`."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matinee.cli.figure_names import FIGURE_NAMES
from matinee.cli.outcome import Outcome
from matinee.cli.terminal import columns, is_terminal
from matinee.errors.text import shown, signed
from matinee.formats.comparison import VERDICTS, ComparedLists, Comparison, Difference
from matinee.formats.slice_names import SLICE_NAMES
from matinee.registry import Registry
from matinee.store.identity import check_usable

_LABEL, _CELL, _TITLE = 28, 14, 36  # characters of a column, at most
_LEAST_CELL, _LEAST_TITLE, _PLACE = 8, 12, 6
_NUMBERS = 58  # column in which the numbers of a difference end
_INTERVAL = 18  # characters of its interval
_COSTS = {
    "seconds_train": "fit, s",
    "seconds_rank": "ranking model, s",
    "seconds_evaluate": "evaluation, s",
    "peak_bytes": "memory of the run, MB",
    "bytes": "weights, MB",
}


def compare(call: argparse.Namespace) -> Outcome:
    """Compare models of a store; with --out, write a page too."""
    from matinee.evaluate.comparison import compare_models
    from matinee.publish.report.compare_page import compare_page
    from matinee.store import Store
    from matinee.store.output import check_output, writing_to

    root = Registry.open(call.store).root
    check_usable(root)
    if call.out is not None:
        check_output(call.out)
    store = Store(root)
    with store.reading():  # prune keeps what is compared
        found = compare_models(store, call.models, users=call.user or ())
    layout = _Layout.of(len(found.models), columns(sys.stdout) if is_terminal(sys.stdout) else None)
    lines = list(_comparison_lines(found, layout, lists=len(found.lists) if call.user else 1))
    if call.out is not None:
        with writing_to(call.out) as file:
            file.write(compare_page(found).encode())
        lines.append(f"page      {call.out}")
    return Outcome(found.model_dump(), lines)


@dataclass(frozen=True)
class _Layout:
    """The widths of columns, in characters, so that a row has one line."""

    cell: int = _CELL
    title: int = _TITLE

    @classmethod
    def of(cls, models: int, width: int | None) -> "_Layout":
        """The layout of a terminal; `width` is None elsewhere."""
        if width is None:
            return cls()
        return cls(
            cell=min(_CELL, max(_LEAST_CELL, (width - _LABEL) // models)),
            title=min(_TITLE, max(_LEAST_TITLE, (width - _PLACE) // models)),
        )

    def row(self, label: str, cells: Sequence[str]) -> str:
        """A line of a table."""
        return f"{_cut(label, _LABEL - 1):<{_LABEL}}" + "".join(
            f"{_cut(cell, self.cell - 1):>{self.cell}}" for cell in cells
        )


def _comparison_lines(found: Comparison, layout: _Layout, *, lists: int) -> Iterator[str]:
    """The comparison for the terminal, with the lists of the first users."""
    names = [model.name for model in found.models]
    rows = found.rows
    yield (
        f"rows      {rows.rows:,} of {rows.test:,} test rows that none of the models was trained on "
        f"({rows.users:,} users, {rows.movies:,} movies)"
    )
    if found.figures:
        yield from _figure_lines(found, names, layout)
    yield ""
    yield layout.row("settings that differ", names if found.settings else ["none"])
    for setting in found.settings:
        yield layout.row(setting.name, ["-" if value is None else str(value) for value in setting.values])
    yield ""
    yield layout.row("cost", names)
    for name, label in _COSTS.items():
        yield layout.row(label, [_cost(getattr(model.cost, name), name) for model in found.models])
    for user in found.lists[:lists]:
        yield ""
        yield from _list_lines(user, names, layout.title)
    if len(found.lists) > lists:
        yield f"      more users: {len(found.lists) - lists}, on the page (--out) and in --json"
    yield ""
    yield from (f"result    {sentence}" for sentence in found.says)


def _figure_lines(found: Comparison, names: Sequence[str], layout: _Layout) -> Iterator[str]:
    yield ""
    yield layout.row("figures", names)
    for figure in found.figures:
        yield layout.row(
            FIGURE_NAMES.get(figure.name, figure.name), [f"{value:.4f}" for value in figure.values]
        )
    for place, name in enumerate(names[1:]):
        yield ""
        yield f"{name} minus {names[0]}, with 95% intervals"
        for figure in found.figures:
            yield _difference_line(FIGURE_NAMES.get(figure.name, figure.name), figure.differences[place])
        clear = [each for each in found.slices if each.differences[place].verdict in ("better", "worse")]
        if clear:
            yield "RMSE by slice"
        for each in clear:
            yield _difference_line(SLICE_NAMES[each.slicing].format(each.slice), each.differences[place])
        if found.shared_movies:
            yield layout.row("movies in both lists", [f"{found.shared_movies[place]:.1%}"])


def _difference_line(label: str, difference: Difference) -> str:
    value, low, high = signed([difference.value, difference.low, difference.high])
    numbers = f"{value}  {f'{low} to {high}':>{_INTERVAL}}"
    return f"{label} {numbers:>{_NUMBERS - 1 - len(label)}}  {VERDICTS[difference.verdict]}"


def _cut(text: str, width: int) -> str:
    """Text as one printable line of at most `width` characters."""
    line = shown(text)
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _cost(value: float | int | None, name: str) -> str:
    if value is None:
        return "-"
    return f"{value / 1e6:.1f}" if name.endswith("bytes") else f"{value:.1f}"


def _list_lines(user: ComparedLists, names: Sequence[str], width: int) -> Iterator[str]:
    """The lists of a user: `*` marks a movie that the user liked in a test row, `+` one that not every list has."""
    yield f"user {shown(user.user_id)} (* liked in a test row, + not in every list)"
    yield "      " + "".join(f"{_cut(name, width - 1):<{width}}" for name in names).rstrip()
    for place in range(max(map(len, user.lists))):
        cells = []
        for entries in user.lists:
            entry = entries[place] if place < len(entries) else None
            marks = "" if entry is None else " *" * entry.liked + " +" * (not entry.shared)
            room = width - 2 - len(marks)
            title = "" if entry is None else _cut(entry.title, room)
            cells.append(f"{title + marks:<{width}}")
        yield f"{place + 1:>4}  {''.join(cells).rstrip()}"
