"""The cache folder of the user: files that are made again if they are lost."""

import os
from pathlib import Path

CACHE = "MATINEE_CACHE"


def user_cache() -> Path:
    """The folder; it may be missing. Raises RuntimeError if no folder is set and the user has no home folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get(CACHE) or Path(home) / "matinee").absolute()
