"""One rank of a fit: it joins the others, does the job with them, and the first one writes the answer.

The first rank prints its progress, one JSON object per line.
"""

import dataclasses
import json
import os
import signal
from pathlib import Path
from typing import Final

from matinee.errors import DivergenceError
from matinee.store.files import write_json
from matinee.store.progress import Progress
from matinee.store.system import end_with_parent
from matinee.train.candidate import CandidateFit
from matinee.train.ranks.gloo import GlooRanks
from matinee.train.ranks.job import Answer, Job

AGENT: Final = "MATINEE_AGENT"  # the process that starts the ranks; by now it may have ended
MEETING: Final = "MATINEE_MEETING"  # start of the path of the file by which the ranks of one host meet


def run(file: str) -> None:
    """Do the job of a file together with the other ranks. torchrun has set the environment."""
    # A forked rank has the handlers of the agent, which would not run while it waits for another rank.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    end_with_parent(int(os.environ[AGENT]))
    job = Job.model_validate_json(Path(file).read_bytes())
    meeting = os.environ.get(MEETING)
    ranks = GlooRanks(meeting and f"file://{meeting}-{os.environ['TORCHELASTIC_RESTART_COUNT']}")
    training = CandidateFit(
        split=job.split,
        made_of=job.made_of,
        settings=job.settings,
        device="cpu",
        threads=job.threads,
        work=job.work,
        listener=_print,
        ranks=ranks,
    )
    answer = _fit(training, job)
    if ranks.is_first:
        write_json(job.work / Answer.NAME, answer)
    ranks.wait()
    ranks.close()


def _fit(training: CandidateFit, job: Job) -> Answer:
    try:
        if job.epochs is None:
            return Answer(made=training.fit(job.folder))
        return Answer(made=training.fit_all(job.folder, epochs=job.epochs, tested=job.tested))
    except DivergenceError as error:  # of all ranks at the same step
        return Answer(diverged=str(error))


def _print(point: Progress) -> None:
    print(json.dumps(dataclasses.asdict(point)), flush=True)
