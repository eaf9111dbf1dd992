"""The verbs `releases` and `sign`."""

import argparse
import getpass
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

from pydantic import Field

from matinee.cli.outcome import Outcome
from matinee.cli.tables import table_lines
from matinee.cli.terminal import columns, is_terminal
from matinee.errors import ReleaseError
from matinee.formats.base import Format
from matinee.maintenance.remote_sign import sign_remote
from matinee.registry import Hold, Registry
from matinee.registry.listing import manifest_folder
from matinee.release import inspect, read_manifest
from matinee.release.signature import sign, trusted_key
from matinee.store import progress
from matinee.store.folders import bytes_in
from matinee.store.identity import is_foreign
from matinee.store.remote import DamagedFolderError, remote_of

_REASON = 160  # characters of the reason of a hold; decision.json has the whole reason
_FAULT = 300  # characters of the error of a release; verbs that use the release print all of it


class ListedRelease(Format):
    """A release in `matinee releases --json`: what is known of it, as far as it can be read."""

    version: str = Field(description="Name of the release.")
    champion: bool = Field(description="Whether it is the champion.")
    created: str | None = Field(None, description="When it was published.")
    rmse: int | float | str | None = Field(None, description="RMSE on its test rows.")
    ndcg_at_10: int | float | str | None = Field(None, description="nDCG@10 of a release of plays.")
    model: str | None = Field(None, description="`model.name`; null if the manifest can't be read.")
    verified: bool = Field(
        True, description="Whether it loads; present if it was checked or could not be read."
    )
    error: str = Field("", description="Why it does not load; present only if it does not.")

    @property
    def figure(self) -> str:
        """RMSE, or nDCG@10 of a release of plays."""
        value = self.rmse if self.ndcg_at_10 is None else self.ndcg_at_10
        return f"{value:.4f}" if isinstance(value, int | float) else "-"

    @property
    def state(self) -> str:
        """Whether it is the champion, and whether it was checked."""
        words = ["champion"] if self.champion else []
        if self.error:
            words.append("DAMAGED")
        elif "verified" in self.model_fields_set:
            words.append("verified")
        return ", ".join(words)

    def line(self, *, signed: bool) -> str:
        """The release as a line for programs: two blanks between the columns, and no header."""
        words = [self.version]
        if self.model is not None:
            name = "rmse" if self.ndcg_at_10 is None else "ndcg@10"
            words += [self.created or "-", f"{self.model:6}", f"{name} {self.figure}"]
        if self.champion:
            words.append("champion")
        if self.error:
            words.append(f"DAMAGED: {self.fault}")
        elif "verified" in self.model_fields_set:
            words.append("verified, signed" if signed else "verified")
        return "  ".join(words).rstrip()

    @property
    def fault(self) -> str:
        """Why it does not load, in short."""
        return shorten(self.error, _FAULT, placeholder=" …")


def releases(call: argparse.Namespace) -> Outcome:
    """List the releases, oldest first; the line of a damaged or missing release says DAMAGED and why."""
    registry = Registry.open(call.store)
    champion, key = registry.champion(), trusted_key(call.public_key)
    verify = call.verify or call.public_key is not None
    folders = {version: registry.root / "releases" / version for version in registry.versions()}
    # In a bucket, each release is fetched, which shows its own progress.
    is_counted = verify and remote_of(registry.root) is None
    if is_counted:
        progress.begin("verifying", total=sum(map(bytes_in, folders.values())), unit="bytes")
    listed = []
    for version, folder in folders.items():
        listed.append(_look_at(registry, version, champion=champion, verify=verify, key=key))
        progress.advance(bytes_in(folder) if is_counted else 0)
    if champion is not None and not any(release.champion for release in listed):
        listed.append(_missing(registry, champion))
    if is_terminal(sys.stdout):
        lines = _table(listed, registry.held(), width=columns(sys.stdout), signed=key is not None)
    else:
        lines = [release.line(signed=key is not None) for release in listed]
        lines += [
            f"held   {hold.at}  {hold.candidate}  {shorten(hold.reason, _REASON, placeholder=' …')}"
            for hold in registry.held()
        ]
    if not listed:
        no_store = f"{call.store} is not a Matinee store. Use the folder of `matinee retrain --store`."
        lines.insert(0, no_store if is_foreign(call.store) else f"No release in {call.store} yet.")
    facts = [release.model_dump() for release in listed]
    return Outcome(facts, lines, 0 if all(release.verified for release in listed) else 1)


def _table(listed: Sequence[ListedRelease], held: Sequence[Hold], *, width: int, signed: bool) -> list[str]:
    """The releases and the held candidates for people, in the columns of a terminal."""
    plays = any(release.ndcg_at_10 is not None for release in listed)
    rows = [
        (
            release.version,
            _minute(release.created),
            release.model or "-",
            release.figure,
            release.state.replace("verified", "verified, signed") if signed else release.state,
        )
        for release in listed
    ]
    lines = table_lines(
        ("RELEASE", "PUBLISHED", "MODEL", "NDCG@10" if plays else "RMSE", ""),
        rows,
        width=width,
        optional=("MODEL", "PUBLISHED"),
    )
    lines += [f"{release.version}  {release.fault}" for release in listed if release.error]
    if held:
        found = [(hold.candidate, _minute(hold.at), hold.reason) for hold in held]
        lines += [""] if listed else []
        lines += table_lines(
            ("HELD CANDIDATE", "DECIDED", "REASON"), found, width=width, optional=("DECIDED",)
        )
        lines.append(
            "`matinee show --store DIR DIGEST` has all reasons, and `matinee promote --store DIR DIGEST` publishes a "
            "candidate anyway."
        )
    return lines


def _minute(time: str | None) -> str:
    """A time of a manifest without seconds, such as 2026-11-26 18:43."""
    return "-" if time is None else time[:16].replace("T", " ")


def _missing(registry: Registry, champion: str) -> ListedRelease:
    """The line of a champion without a folder."""
    try:
        registry.champion_folder()
    except ReleaseError as error:
        return ListedRelease(version=champion, champion=True, verified=False, error=str(error))
    return _look_at(registry, champion, champion=champion, verify=False, key=None)  # it came just now


def _look_at(
    registry: Registry, version: str, *, champion: str | None, verify: bool, key: Path | None
) -> ListedRelease:
    found = ListedRelease(
        version=version,
        champion=version == champion,
        created=None,
        rmse=None,
        ndcg_at_10=None,
        model=None,
    )
    try:
        folder = registry.folder(version, again=True) if verify else manifest_folder(registry.root, version)
        manifest = read_manifest(folder)
        figures = {
            "created": manifest.created,
            "rmse": manifest.metrics.get("rmse"),
            "ndcg_at_10": manifest.metrics.get("ndcg_at_10"),
            "model": manifest.model,
        }
        found = found.model_copy(update=figures)
        if verify:
            inspect(folder, public_key=key)
            found = found.model_copy(update={"verified": True})
    except (ReleaseError, DamagedFolderError) as error:
        found = found.model_copy(update={"verified": False, "error": str(error)})
    return found


def sign_one(call: argparse.Namespace) -> Outcome:
    """Sign a release with the key that MATINEE_SIGNING_KEY names, after it has been checked."""
    registry = Registry.open(call.store)
    ask = (lambda: getpass.getpass("Password of the signing key: ")) if sys.stdin.isatty() else None
    with registry.lock():
        folder = registry.listed(call.version)
        if remote := remote_of(registry.root):
            sign_remote(remote, call.version, ask=ask)
        else:
            inspect(folder, public_key=False)
            sign(folder, ask=ask)
    return Outcome({"signed": call.version}, f"{call.version} is signed", notable=())
