"""Fits on several processes of this host: torchrun starts them, and starts them again after one of them was killed."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Final

from matinee.errors import ConfigError, DivergenceError, MatineeError
from matinee.formats.manifests import CandidateManifest
from matinee.store.files import write_json
from matinee.store.progress import Progress
from matinee.train.blocks import groups_for
from matinee.train.candidate import CandidateFit
from matinee.train.ranks.job import Answer, Job

_RESTARTS: Final = 3
_LOG: Final = "ranks.log"
_ERROR: Final = re.compile(r"^(?:\[rank\d+\]: )?([\w.]+(?:Error|Exception)\b.*)$", re.MULTILINE)


def check_ranks(training: CandidateFit) -> None:
    """Raise ConfigError if the fit can't be divided among `train.ranks` processes."""
    ranks = training.settings.train.ranks
    if training.device != "cpu":
        raise ConfigError(
            f"train.ranks={ranks} divides a fit among CPUs, and train.device chooses {training.device}: a GPU sums "
            "whole batches, whose bits change with their division. Set train.device=cpu, or train.ranks=1."
        )
    groups = groups_for(training.made_of.counts["train"])
    if ranks > groups:
        raise ConfigError(
            f"train.ranks is {ranks}, and the fit has {groups} groups of users, of which each rank needs one. Set "
            f"train.ranks to {groups} or less."
        )


def fit_on_ranks(
    training: CandidateFit, folder: Path, *, epochs: int | None = None, tested: str = ""
) -> CandidateManifest:
    """Do what `training.fit`, or with `epochs` `training.fit_all`, does, on `train.ranks` processes of this host.

    Raises DivergenceError as they do, and MatineeError if ranks end too often.
    """
    ranks, work = training.settings.train.ranks, training.work
    job = Job(
        split=training.split.absolute(),
        made_of=training.made_of,
        settings=training.settings,
        threads=max(training.threads // ranks, 1),
        work=work.absolute(),
        folder=folder.absolute(),
        epochs=epochs,
        tested=tested,
    )
    work.mkdir(parents=True, exist_ok=True)
    write_json(work / Job.NAME, job)
    (work / Answer.NAME).unlink(missing_ok=True)
    with (work / _LOG).open("wb") as log:
        status = _run(training, job, log=log)
    if status:
        raise MatineeError(_failed(work / _LOG, ranks=ranks, status=status))
    answer = Answer.model_validate_json((work / Answer.NAME).read_bytes())
    if answer.made is None:
        raise DivergenceError(answer.diverged)
    return answer.made


def _run(training: CandidateFit, job: Job, *, log: IO[bytes]) -> int:
    """Start the ranks, hand on their progress, and wait for their end; an exception of the listener ends them."""
    told = [os.getpid(), job.settings.train.ranks, _RESTARTS, job.work / Job.NAME]
    with subprocess.Popen(  # nosec B603 # of this module, with paths of the store
        [sys.executable, "-m", "matinee.train.ranks.agent", *map(str, told)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        env=os.environ | _environment(job),
        start_new_session=True,  # Ctrl-C is for this process, which ends them
    ) as agent:
        assert agent.stdout is not None  # nosec B101 # for mypy: it is a pipe
        try:
            for line in agent.stdout:
                if line.startswith(b"{"):
                    training.listener(Progress(**json.loads(line)))
                else:  # of a library
                    log.write(line)
            return agent.wait()
        except BaseException:
            _stop(agent)
            raise


def _environment(job: Job) -> dict[str, str]:
    loopback = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
    return {"OMP_NUM_THREADS": str(job.threads), **loopback}


def _stop(agent: "subprocess.Popen[bytes]") -> None:
    """Kill the agent and the ranks. The next call resumes from their checkpoints."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(agent.pid, signal.SIGKILL)


def _failed(log: Path, *, ranks: int, status: int) -> str:
    found = _ERROR.findall(log.read_text("utf-8", "replace"))
    own = [line for line in found if "gloo" not in line and "ChildFailedError" not in line]
    last = f" The last error of one is: {own[-1]}." if own else ""
    return (
        f"The fit on {ranks} ranks ended with status {status}: a rank ended with an error, or was killed, and "
        f"{_RESTARTS} restarts did not help.{last} {log} has what they wrote. Run the same command again: it resumes "
        "from the last checkpoint. If memory ran out, set train.ranks lower."
    )
