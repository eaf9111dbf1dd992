"""Pictures are drawn, but only the first of each format is rendered: most of the time of an evaluation is rendering."""

import io
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


_rendered: dict[str, Any] = {}  # one picture per format


def _render_once(figure: Any, target: Any, *, format: str, **how: Any) -> None:  # noqa: A002 - as matplotlib has it
    if format not in _rendered:
        first = io.BytesIO() if isinstance(target, Path) else type(target)()
        _matplotlib()[1](figure, first, format=format, **how)
        _rendered[format] = first.getvalue()
    write = target.write_bytes if isinstance(target, Path) else target.write
    write(_rendered[format])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Render one picture per format, except in a test that uses the fixture `pictures`, which renders its own."""
    with pytest.MonkeyPatch.context() as patch:
        if "pictures" not in getattr(item, "fixturenames", ()):
            patch.setattr(_matplotlib()[0], "savefig", _render_once)
        return (yield)


@pytest.fixture(scope="session")
def pictures() -> None:
    """For a test, or a fixture, that looks at pictures: each is rendered."""
