"""The verbs `releases` and `sign`."""

import argparse
import getpass
import sys
from pathlib import Path
from textwrap import shorten
from typing import Any

from matinee.cli.verbs import Outcome
from matinee.errors import ReleaseError
from matinee.registry import Registry
from matinee.release import inspect, read_manifest
from matinee.release.signature import sign as sign_release
from matinee.release.signature import trusted_key
from matinee.store.identity import is_foreign

_REASON = 160  # characters of the reason of a hold; decision.json has the whole reason
_FAULT = 300  # characters of the error of a release; verbs that use the release print all of it


def releases(call: argparse.Namespace) -> Outcome:
    """List the releases, oldest first; the line of a damaged release says DAMAGED and why."""
    registry = Registry.open(call.store)
    champion, key = registry.champion(), trusted_key(call.public_key)
    verify = call.verify or call.public_key is not None
    facts = [
        _look_at(registry.folder(version), champion=champion, verify=verify, key=key)
        for version in registry.versions()
    ]
    lines = [_line(entry, signed=key is not None) for entry in facts]
    if not lines:
        no_store = ": it is not a Matinee store" if is_foreign(call.store) else ""
        lines.append(f"No release in {call.store} yet{no_store}.")
    lines += [
        f"held   {entry['at']}  {entry['candidate']}  {shorten(entry['reason'], _REASON, placeholder=' …')}"
        for entry in registry.held()
    ]
    return Outcome(facts, lines, 1 if any(entry.get("verified") is False for entry in facts) else 0)


def _look_at(folder: Path, *, champion: str | None, verify: bool, key: Path | None) -> dict[str, Any]:
    """The facts of a release, as far as it can be read. `verified` is there if it was checked, or if reading failed."""
    entry: dict[str, Any] = {"version": folder.name, "champion": folder.name == champion}
    entry |= dict.fromkeys(("created", "rmse", "ndcg_at_10", "model"))
    try:
        manifest = read_manifest(folder)
        metrics = manifest.get("metrics", {})
        entry |= {
            "created": manifest.get("created"),
            "rmse": metrics.get("rmse"),
            "ndcg_at_10": metrics.get("ndcg_at_10"),  # of a release of plays, which has no RMSE
            "model": manifest["model"],
        }
        if verify:
            inspect(folder, public_key=key)
            entry["verified"] = True
    except ReleaseError as error:
        entry |= {"verified": False, "error": str(error)}
    return entry


def _line(entry: dict[str, Any], *, signed: bool) -> str:
    words = [entry["version"]]
    if entry["model"] is not None:
        name, value = (
            ("rmse", entry["rmse"]) if entry["ndcg_at_10"] is None else ("ndcg@10", entry["ndcg_at_10"])
        )
        figure = f"{value:.4f}" if isinstance(value, int | float) else "-"
        words += [entry["created"] or "-", f"{entry['model']:6}", f"{name} {figure}"]
    if entry["champion"]:
        words.append("champion")
    if entry.get("verified"):
        words.append("verified, signed" if signed else "verified")
    elif "error" in entry:
        words.append(f"DAMAGED: {shorten(entry['error'], _FAULT, placeholder=' …')}")
    return "  ".join(words).rstrip()


def sign(call: argparse.Namespace) -> Outcome:
    """Sign a release with the key that MATINEE_SIGNING_KEY names, after it has been checked."""
    registry = Registry.open(call.store)
    with registry.lock():
        folder = registry.listed(call.version)
        inspect(folder, public_key=False)
        ask = (lambda: getpass.getpass("Password of the signing key: ")) if sys.stdin.isatty() else None
        sign_release(folder, ask=ask)
    return Outcome({"signed": call.version}, f"{call.version} is signed")
