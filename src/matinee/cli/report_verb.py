"""The verb `report`."""

import argparse
from pathlib import Path

from matinee.cli.outcome import Outcome
from matinee.registry import Registry
from matinee.release import verify
from matinee.store.identity import check_usable


def report(call: argparse.Namespace) -> Outcome:
    """Write the report of a release again, such as of one published before there were reports."""
    from matinee.publish.report.release_facts import collect_facts
    from matinee.publish.report.release_page import release_page
    from matinee.store import Store
    from matinee.store.output import writing_to

    registry = Registry.open(call.store)
    check_usable(registry.root)
    folder = registry.named(call.version)
    manifest = verify(folder)
    facts = collect_facts(Store(registry.root), folder, manifest)
    out = call.out or Path(f"report-{manifest.version}.html")
    with writing_to(out) as file:
        file.write(release_page(facts).encode())
    done = {"release": manifest.version, "out": str(out)}
    return Outcome(done, f"the report of {manifest.version} is in {out}", notable=())
