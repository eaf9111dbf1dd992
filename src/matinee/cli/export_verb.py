"""The verb `export`."""

import argparse

from matinee.cli.outcome import Outcome


def export(call: argparse.Namespace) -> Outcome:
    """Write the ONNX models of a release into a folder outside the store."""
    from matinee.publish.onnx_export import export_onnx
    from matinee.registry import Registry
    from matinee.release import load
    from matinee.store.identity import check_usable

    registry = Registry.open(call.store)
    check_usable(registry.root)
    release = load(registry.named(call.version))
    written = export_onnx(release, call.out)
    facts = {"release": release.version, "files": [str(file) for file in written]}
    return Outcome(facts, [f"{file}  {file.stat().st_size / 1e6:.1f} MB" for file in written], notable=())
