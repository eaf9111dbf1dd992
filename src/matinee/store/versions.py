"""Names of releases: `v` and at least four digits. Names from pointers, logs, manifests and calls are checked here.

A checked name can become a path without leading out of the store.
"""

import re
from typing import Annotated, Final

from pydantic import AfterValidator

_VERSION: Final = re.compile(r"v[0-9]{4,15}")


def is_version(name: object) -> bool:
    """Whether a release can have this name.

    >>> [is_version(name) for name in ("v0001", "v12345", "v1", "../v0001", "v0001\\n", "v٠٠٠١", 1, None)]
    [True, True, False, False, False, False, False, False]
    """
    return isinstance(name, str) and _VERSION.fullmatch(name) is not None


def version_number(name: str) -> int:
    """The number of a version, by which versions are ordered: v10000 follows v9999. 0 for a name that is not one."""
    return int(name[1:]) if is_version(name) else 0


def _check(name: str) -> str:
    if not is_version(name):
        raise ValueError("a version is `v` and at least four digits")
    return name


Version = Annotated[str, AfterValidator(_check)]
