"""`matinee doctor`: checks of versions, device, clock, Prefect server, store and champion."""

import contextlib
import os
import platform
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from matinee.errors import MatineeError, ReleaseError, StoreError
from matinee.ops.environment import PORT
from matinee.ops.prefect_password import authorization_for
from matinee.ops.prefect_server import check_address, find_fault, is_healthy, setting
from matinee.registry import Registry
from matinee.registry.log import ChangeLog, now
from matinee.release import inspect, read_manifest
from matinee.store.documents import (
    DONE,
    FORGOTTEN,
    KINDS,
    SERIES,
    TRIALS,
    TUNED,
    TUNINGS,
    Mark,
    Series,
    Tuned,
    advice,
    read_as,
    read_json,
)
from matinee.store.entries import entries_of
from matinee.store.erased_users import Forgotten
from matinee.store.identity import MARKER, check_readable, check_usable, is_marked
from matinee.store.remote import Remote, remote_of
from matinee.store.remote.server import has_conditions
from matinee.store.run_locks import live_run_locks
from matinee.store.store import check_writable
from matinee.store.system import available_cores

_PACKAGES = ("prefect", "polars", "numba", "torch")
_SPACE = 3  # a run writes a split, a candidate and a release, each about as large as the last release
_LEAST_SPACE = 1 << 30


class Check(NamedTuple):
    """One check. `warn` needs attention; with `fail`, runs fail."""

    name: str
    status: Literal["ok", "warn", "fail"]
    said: str  # a key of `--json`


def examine(store: Path | None) -> Iterator[Check]:
    """Check the machine, and a store if one is given. It raises nothing and changes nothing."""
    yield _versions()
    yield _device()
    yield _clock()
    yield _server()
    if store is not None:
        yield from _store(store)


def _versions() -> Check:
    found, missing = [f"matinee {version('matinee')}", f"Python {platform.python_version()}"], []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    if missing:
        lack = f"without {', '.join(missing)}, releases can be used but not trained. pip install 'matinee[pipeline]'"
        return Check("versions", "warn", f"{', '.join(found)}; {lack}")
    return Check("versions", "ok", ", ".join(found))


def _device() -> Check:
    cores = f"{available_cores()} threads"
    try:
        import torch  # noqa: PLC0415 - takes seconds, and is not needed to use a release
    except ImportError as error:
        return Check("device", "warn", f"cpu, {cores}; torch can't be imported: {error}")
    if torch.cuda.is_available():
        return Check("device", "ok", f"cuda: {torch.cuda.get_device_name()}; {cores}")
    if torch.version.cuda and shutil.which("nvidia-smi"):
        return Check(
            "device",
            "warn",
            f"cpu, {cores}; a GPU driver is installed, but torch finds no GPU. Run nvidia-smi",
        )
    return Check("device", "ok", f"cpu, {cores}")


def _clock() -> Check:
    here = datetime.now().astimezone()
    zone = f"{here.isoformat(timespec='seconds')} ({time.tzname[0]}); schedules use the time zone of prefect.yaml, UTC"
    return Check("clock", "ok", zone)


def _server() -> Check:
    try:
        if not (url := setting("PREFECT_API_URL")):
            return _no_server()
        fault = find_fault(check_address(url), authorization=authorization_for(url))
    except MatineeError as error:
        return Check("server", "fail", str(error))
    return Check("server", "fail", fault) if fault else Check("server", "ok", f"{check_address(url)} answers")


def _no_server() -> Check:
    none = "none is configured, so each run starts its own."
    api = f"http://127.0.0.1:{PORT}/api"
    if is_healthy(api):
        return Check("server", "ok", f"{none} One is running: set PREFECT_API_URL={api} to use it")
    return Check("server", "ok", f"{none} `make up` starts a permanent one")


def _store(root: Path) -> Iterator[Check]:
    try:
        check_readable(root)  # a name may also be too long
        if not root.exists():
            yield Check(
                "store", "fail", f"{root} does not exist. `matinee retrain --store {root}` creates it"
            )
            return
        check_usable(root)
        check_writable(root)
    except MatineeError as error:
        yield Check("store", "fail", str(error))
        return
    if remote := remote_of(root):
        bucket = _bucket(remote)
        yield bucket
        if bucket.status == "fail":
            return
    yield _space(root)
    yield from _releases(Registry(root))
    yield _log(ChangeLog(root))
    yield from _files(root)
    yield _leftovers(root)


def _bucket(remote: Remote) -> Check:
    """Whether the object store answers and refuses to create an object twice."""
    try:
        remote.open(create=False)
        if not has_conditions(remote.objects):
            return Check(
                "bucket",
                "fail",
                f"{remote.name}: the server ignores conditions of writes (If-None-Match, If-Match), so two hosts may "
                "overwrite each other. Use a server that supports them",
            )
        runs = len(remote.leases.live())
    except MatineeError as error:
        return Check("bucket", "fail", str(error))
    return Check("bucket", "ok", f"{remote.name} answers; {runs} active runs on all hosts")


def _space(root: Path) -> Check:
    free = shutil.disk_usage(root).free
    sizes = [
        sum(file.lstat().st_size for file in folder.iterdir()) for folder in entries_of(root, "releases")
    ]
    needed = max(_LEAST_SPACE, _SPACE * max(sizes, default=0))
    which = "the copies on this host are" if remote_of(root) else f"{root} is"
    space = f"{which} writable, {free / 1e9:,.1f} GB free"
    if free < needed:
        return Check(
            "store", "warn", f"{space}; a run may need {needed / 1e9:,.1f} GB. `matinee prune` frees space"
        )
    return Check("store", "ok", space)


def _releases(registry: Registry) -> Iterator[Check]:
    yield _champion(registry)
    for folder in map(registry.folder, registry.versions()):
        try:
            read_manifest(folder)
        except ReleaseError as error:
            yield Check("release", "warn", str(error))


def _champion(registry: Registry) -> Check:
    try:
        champion = registry.champion()
        if champion is None:
            return Check("champion", "warn", "none yet; `matinee retrain` publishes the first")
        manifest = inspect(registry.champion_folder())
    except MatineeError as error:
        return Check("champion", "fail", str(error))
    created = manifest.created or ""
    if created > now():
        return Check(
            "champion",
            "warn",
            f"{champion} was created at {created}, which is in the future. Check the clock",
        )
    return Check("champion", "ok", f"{champion} of {created} verifies")


def _log(run_log: ChangeLog) -> Check:
    try:
        entries, faults = run_log.entries(), run_log.faults()
    except MatineeError as error:
        return Check("log", "fail", str(error))
    if faults:
        return Check("log", "warn", run_log.say(faults))
    return Check("log", "ok", f"{len(entries):,} {'line' if len(entries) == 1 else 'lines'}")


def _files(root: Path) -> Iterator[Check]:
    """Check the JSON files of the store. The pointer and the releases have their own checks."""
    damaged = 0
    for fault, status in _damaged(root):
        damaged += 1
        yield Check("files", status, fault)
    if not damaged:
        yield Check("files", "ok", "every JSON file of the store can be read")


def _damaged(root: Path) -> Iterator[tuple[str, Literal["warn", "fail"]]]:
    readers: list[tuple[Callable[[], Any], Literal["warn", "fail"]]] = [
        (lambda: Forgotten.read(root), "fail"),
        (lambda: _read_if_there(root / SERIES, Series), "fail"),
        (lambda: _read_if_there(root / DONE, Mark), "warn"),
        (lambda: _read_if_there(root / TUNED, Tuned), "warn"),
    ]
    folders = [file for kind in (*KINDS, TUNINGS) for file in sorted(root.glob(f"{kind}/*/*.json"))]
    readers += [(partial(read_json, file), "warn") for file in folders if file.parent.suffix == ""]
    readers += [(partial(_check_trials, folder / TRIALS), "warn") for folder in entries_of(root, TUNINGS)]
    for read, status in readers:
        try:
            read()
        except MatineeError as error:
            yield str(error), status
    if os.path.lexists(root / MARKER) and not is_marked(root):
        advised = "The store is recognised by its other files, and `matinee prune` writes this one again."
        yield f"{root / MARKER} is damaged. {advised}", "warn"
    if not (root / FORGOTTEN).exists() and _has_forgotten(ChangeLog(root)):
        yield f"{root / FORGOTTEN} is missing, but users were forgotten. {advice(root / FORGOTTEN)}", "fail"


def _check_trials(path: Path) -> None:
    """Raise StoreError if the database of a search is damaged."""
    if not path.exists():
        return
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            found = str(database.execute("pragma quick_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        raise StoreError(f"{path} is damaged: {found}. Remove {path.parent}; the search then begins again.")


def _has_forgotten(run_log: ChangeLog) -> bool:
    try:
        return any(entry.action == "forget" for entry in run_log.entries())
    except MatineeError:  # has a check of its own
        return False


def _read_if_there(path: Path, model: type[BaseModel]) -> None:
    if os.path.lexists(path):
        read_as(path, model)


def _leftovers(root: Path) -> Check:
    found = [path for ending in ("partial", "pruned", "erased") for path in root.glob(f"*/*.{ending}")]
    running = len(list(live_run_locks(root)))
    if found and not running:
        left = f"{len(found)} unfinished or removed folders, such as {found[0]}. `matinee prune` deletes them"
        return Check("leftovers", "warn", left)
    runs = f"{running} active {'run' if running == 1 else 'runs'}"
    return Check("leftovers", "ok", f"none; {runs}" if not found else runs)
