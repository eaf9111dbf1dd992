"""The releases that a server answers with: the champion of a store, or one folder, and other releases by name.

The champion is replaced without a pause: the new one is loaded and verified first, and then takes the place of the old
one in a single assignment. A champion that can't be loaded changes nothing but the state of health.
"""

import contextlib
import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from matinee.errors import MatineeError, ReleaseError
from matinee.registry import Registry, now
from matinee.release import Release, load
from matinee.release.manifest import ReleaseManifest
from matinee.serve.titles import SearchIndex
from matinee.store.documents import MANIFEST, POINTER
from matinee.store.remote import remote_of
from matinee.store.versions import is_version

log = logging.getLogger(__name__)

_OTHERS: Final = 2  # releases besides the champion that stay in memory
_PATIENCE: Final = 1.0  # seconds that a question waits while another release is loaded
_RETRY: Final = 30.0  # seconds until a champion that could not be loaded is tried again
_Mark = tuple[int, int, int] | None  # of a file: it changes when the file is replaced


@dataclass(frozen=True)
class Loaded:
    """A release in memory."""

    release: Release
    index: SearchIndex
    since: str
    mark: _Mark  # of the manifest in its folder, which `forget` replaces


class UnknownReleaseError(ReleaseError):
    """A question names a release that is not there."""


class LoadingError(MatineeError):
    """Another release is being loaded, so a question that names one has to wait."""


class LoadedReleases:
    """The releases of a store, of which the champion is in memory; or one release without a store.

    Args:
        store: The folder of a store; None to serve one release.
        folder: The folder of that release.

    Raises:
        ConfigError: There is no store.
        ReleaseError: There is no champion, or it can't be loaded.
    """

    def __init__(self, store: Path | None, *, folder: Path | None = None) -> None:
        self._registry = Registry.open(store) if store is not None else None
        self._folder = folder
        self._others: OrderedDict[str, Loaded] = OrderedDict()
        self._one_at_a_time = threading.Lock()
        self._seen = self._look()
        self._again = 0.0
        self.problem: str | None = None
        self._reason = ""  # of the problem, as it was logged
        self.champion = _load(self._champion_folder())

    def refresh(self) -> bool:
        """Load the champion if it is another one, or if its folder was replaced; returns whether it was loaded.

        Only one thread calls it. It raises no error: what is wrong is logged and is in `problem`.
        """
        seen = self._look()
        if seen == self._seen and not (self.problem and time.monotonic() >= self._again):
            return False
        try:
            folder = self._champion_folder()
            if folder == self.champion.release.path and _mark(folder / MANIFEST) == self.champion.mark:
                self._seen = seen
                self._forget_problem()
                return False
            fresh = _load(folder)
        except Exception as error:  # noqa: BLE001 - whatever it is, the server goes on with the release that it has
            self._report(error)
            self._seen, self._again = seen, time.monotonic() + _RETRY
            return False
        self.champion, self._seen = fresh, (seen[0], fresh.mark)
        self._forget_problem()
        log.info("%s is served from now on.", fresh.release.version)
        return True

    def named(self, version: str | None) -> Loaded:
        """The release of a version, or the champion; a release that is not in memory is loaded.

        Raises UnknownReleaseError if it is not there, ReleaseError if it can't be loaded, LoadingError if another one
        is being loaded.
        """
        champion = self.champion
        if version is None or version == champion.release.version:
            return champion
        folder = self._registry.folder(version) if self._registry and is_version(version) else None
        mark = _mark(folder / MANIFEST) if folder else None
        if folder is None or mark is None:
            raise UnknownReleaseError(
                f"There is no release {version or repr(version)} here. /releases lists those that there are."
            )
        if not self._one_at_a_time.acquire(timeout=_PATIENCE):  # the other threads answer for the champion
            raise LoadingError("Another release is being loaded. Ask again in a few seconds.")
        try:
            found = self._others.pop(version, None)
            if found is None or found.mark != mark:
                found = _load(folder)
            self._others[version] = found
            while len(self._others) > _OTHERS:
                self._others.popitem(last=False)
        finally:
            self._one_at_a_time.release()
        return found

    def manifests(self) -> list[ReleaseManifest]:
        """The manifests of all releases, the newest first."""
        if self._registry is None:
            return [self.champion.release.manifest]
        return self._registry.manifests()[::-1]

    def _champion_folder(self) -> Path:
        if self._registry is not None:
            return self._registry.champion_folder()
        assert self._folder is not None  # nosec B101 # for mypy: one of the two is given
        return self._folder

    def _look(self) -> tuple[_Mark, _Mark]:
        """What changes when the pointer or the folder of the champion is replaced."""
        if self._registry and (remote := remote_of(self._registry.root)):
            # While the object store is away, the champion in memory answers.
            with contextlib.suppress(MatineeError):
                remote.log.refresh()
        pointer = _mark(self._registry.root / POINTER) if self._registry else None
        served = getattr(self, "champion", None)
        return pointer, _mark(served.release.path / MANIFEST) if served else None

    def _report(self, error: Exception) -> None:
        version = self.champion.release.version
        problem = (
            f"The champion can't be loaded, and {version} is served; the log of the server has the reason."
        )
        if str(error) != self._reason:
            log.warning(
                "The champion can't be loaded, and %s is still served. %s",
                version,
                error,
                exc_info=None if isinstance(error, MatineeError) else error,
            )
        self.problem, self._reason = problem, str(error)

    def _forget_problem(self) -> None:
        """The champion is served, so a problem that comes back is logged again."""
        self.problem, self._reason = None, ""


def _load(folder: Path) -> Loaded:
    mark = _mark(folder / MANIFEST)
    release = load(folder)
    return Loaded(release, SearchIndex(release), now(), mark)


def _mark(path: Path) -> _Mark:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
