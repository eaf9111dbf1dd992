"""Draws only the first evaluation of each kind, because drawing takes most of the time of an evaluation."""

import io
import math
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest


@cache
def _matplotlib() -> tuple[type, Callable[..., None]]:
    """The class of figures, and how it renders."""
    from matplotlib.figure import Figure

    return Figure, Figure.savefig


@cache
def _evaluation() -> tuple[Any, Callable[..., None]]:
    """The module of the pictures of an evaluation, and its real `draw`."""
    from matinee.evaluate import plots

    return plots, plots.draw


_rendered: dict[str, Any] = {}  # one picture per format
_drawn: dict[object, dict[str, bytes]] = {}  # files per kind of evaluation
_MANY = 10  # more entries than these are drawn alike


def _render_once(figure: Any, target: Any, *, format: str, **how: Any) -> None:  # noqa: A002 - as matplotlib has it
    if format not in _rendered:
        first = io.BytesIO() if isinstance(target, Path) else type(target)()
        _matplotlib()[1](figure, first, format=format, **how)
        _rendered[format] = first.getvalue()
    write = target.write_bytes if isinstance(target, Path) else target.write
    write(_rendered[format])


def _draw_once(folder: Path, *, inputs: Any, metrics: Any, history: Any) -> None:
    kind = (
        _kind(metrics.model_dump()),
        _kind(history.model_dump()),
        frozenset(point.stage for point in history.points),
        inputs.scale,
        *(min(len(set(column.tolist())), _MANY) for column in (inputs.test.ratings, inputs.test.movies)),
    )
    if kind not in _drawn:
        _evaluation()[1](folder, inputs=inputs, metrics=metrics, history=history)
        _drawn[kind] = {path.name: path.read_bytes() for path in folder.iterdir()}
        return
    folder.mkdir()
    for name, data in _drawn[kind].items():
        (folder / name).write_bytes(data)


def _kind(value: Any) -> object:
    """The shape of a document: its keys, the lengths of its lists and the types of its values."""
    if isinstance(value, dict):
        return frozenset((name, _kind(each)) for name, each in value.items())
    if isinstance(value, list | tuple):
        return min(len(value), _MANY), frozenset(map(_kind, value))
    return (float, math.isfinite(value)) if isinstance(value, float) else type(value)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Draw one evaluation per kind, except in a test that uses the fixture `pictures`, which draws its own."""
    with pytest.MonkeyPatch.context() as patch:
        if "pictures" not in getattr(item, "fixturenames", ()):
            patch.setattr(_matplotlib()[0], "savefig", _render_once)
            if (
                "tests/faults/" not in item.nodeid
            ):  # its drills fail in the middle of a drawing, and draw once too
                patch.setattr(_evaluation()[0], "draw", _draw_once)
        return (yield)


@pytest.fixture(scope="session")
def pictures() -> None:
    """For a test, or a fixture, that looks at pictures: each is drawn."""
