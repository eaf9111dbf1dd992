"""One process of a fit on several hosts, as torchrun starts it on each: `-m matinee.cli.ranks` with the arguments of
`matinee retrain`.
"""

import sys
from collections.abc import Sequence

from matinee.cli.arguments import parse
from matinee.cli.object_sources import fetch_sources
from matinee.cli.terminal import log_to_terminal, report_failure
from matinee.cli.verbs import check_sources, settings_of, sources_of
from matinee.errors import MatineeError
from matinee.pipeline.on_ranks import train_on_ranks
from matinee.store.progress import Progress


def main(words: Sequence[str]) -> int:
    """Fit the candidate of a call of `retrain` together with the other processes; returns the exit status."""
    try:
        call = parse(["retrain", *words])
        log_to_terminal(verbose=False, quiet=call.quiet)
        settings = settings_of(call)
        fetch_sources(call)
        check_sources(call.store, [*call.ratings, call.titles, *call.test])
        made = train_on_ranks(call.store.absolute(), **sources_of(call), settings=settings, listener=_print)
        if made is not None:
            print(
                f"candidate {made.digest}. `matinee retrain` with the same arguments evaluates and publishes it."
            )
    except MatineeError as error:
        return report_failure(error, verbose=False, as_json=False)
    return 0


def _print(point: Progress) -> None:
    if point.valid_rmse is not None or point.rows_done == point.rows:
        valid = "" if point.valid_rmse is None else f", valid RMSE {point.valid_rmse:.4f}"
        print(
            f"{point.stage} {point.epoch}/{point.epochs}: train RMSE {point.train_rmse:.4f}{valid}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
