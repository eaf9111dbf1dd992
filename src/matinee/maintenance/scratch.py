"""A temporary folder next to a cache, for the commands that rewrite a whole store."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def scratch_store(root: Path, purpose: str) -> Iterator[Path]:
    """The path of a temporary store in a folder beside `root`, which is removed at the end.

    Its name is always the same for a purpose, so that the next call removes what a killed one left.
    """
    folder = root.with_name(f".{purpose}-{root.name}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder / "store"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
