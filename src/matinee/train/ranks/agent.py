"""torchrun's elastic agent, in a process of its own: `python -m matinee.train.ranks.agent PARENT RANKS RESTARTS JOB`.

It imports everything once and forks the ranks, so a restart takes a fraction of a second. They meet by files: of the
sockets of torch, those of the stores would listen on all networks. The agent ends with the process that started it,
and the ranks end with the agent.
"""

import os
import sys
from pathlib import Path

from matinee.settings import Settings
from matinee.store.system import end_with_parent
from matinee.train.candidate import warm_up
from matinee.train.ranks.rank import AGENT, MEETING, run


def main() -> None:
    """Start the ranks, and start all of them again if one of them ends, until all are done."""
    parent, ranks, restarts, job = sys.argv[1:]
    end_with_parent(int(parent))
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs  # noqa: PLC0415 - takes seconds
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch  # noqa: PLC0415

    warm_up(Settings().resolved(), device="cpu")
    work, name = Path(job).parent, f"meeting-{os.getpid()}"
    os.environ |= {
        AGENT: str(os.getpid()),
        MEETING: str(work / name),
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
    }
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=int(ranks),
        run_id=name,
        rdzv_backend="c10d",  # the static one hangs after a restart
        rdzv_endpoint=str(work / f"{name}-agent"),
        rdzv_configs={"store_type": "file"},
        local_addr="127.0.0.1",
        max_restarts=int(restarts),
        start_method="fork" if sys.platform == "linux" else "spawn",
        logs_specs=DefaultLogsSpecs(log_dir=str(work)),
    )
    elastic_launch(config, run)(job)


if __name__ == "__main__":
    main()
