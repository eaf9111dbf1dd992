"""Pictures that are drawn once: a drill that runs a command hundreds of times does not look at them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from failing import Disk

from matinee.evaluate import plots


class Pictures:
    """Draws the pictures of an evaluation once, because drawing is nearly all of the time of a night.

    Later evaluations get the same files, and the same changes are counted. A fault within the pictures meets the real
    code.
    """

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self._changes: list[str] = []
        self._first = 0

    @contextlib.contextmanager
    def drawing(self, disk: Disk) -> Iterator[None]:
        """Replace the drawing of pictures on this disk during the block."""
        real = plots.draw

        def draw(folder: Path, **shown: Any) -> None:
            first = len(disk.changes)
            if not self._files:
                real(folder, **shown)
                self._files = {path.name: path.read_bytes() for path in folder.iterdir()}
                self._first, self._changes = first, disk.changes[first:]
            elif disk.dead or disk.at - 1 in range(self._first, self._first + len(self._changes)):
                real(folder, **shown)
            else:
                disk.busy = True
                folder.mkdir()
                for name, data in self._files.items():
                    (folder / name).write_bytes(data)
                disk.busy = False
                disk.changes += self._changes

        plots.draw = draw
        try:
            yield
        finally:
            plots.draw = real
