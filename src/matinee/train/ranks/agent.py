"""torchrun's elastic agent, in a process of its own: `python -m matinee.train.ranks.agent PARENT RANKS RESTARTS JOB`.

Ranks are forked from a server that has imported everything once, so a restart takes a fraction of a second. The
agent ends with the process that started it, and the ranks end with the agent.
"""

import multiprocessing
import multiprocessing.forkserver
import os
import sys
from pathlib import Path
from typing import Final

from matinee.store.system import end_with_parent

_ADDRESS: Final = "127.0.0.1"


def main() -> None:
    """Start the ranks, and start all of them again if one of them ends, until all are done."""
    parent, ranks, restarts, job = sys.argv[1:]
    end_with_parent(int(parent))
    multiprocessing.set_forkserver_preload(["matinee.train.ranks.preload"])
    multiprocessing.forkserver.ensure_running()  # it imports while this process does
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs  # noqa: PLC0415 - takes seconds
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch  # noqa: PLC0415

    from matinee.train.ranks.rank import run  # noqa: PLC0415

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=int(ranks),
        run_id=f"matinee-{os.getpid()}",
        rdzv_backend="c10d",  # the static backend hangs after a restart
        rdzv_endpoint=f"{_ADDRESS}:0",
        local_addr=_ADDRESS,
        max_restarts=int(restarts),
        start_method="forkserver",
        logs_specs=DefaultLogsSpecs(log_dir=str(Path(job).parent)),
    )
    elastic_launch(config, run)(job)


if __name__ == "__main__":
    main()
