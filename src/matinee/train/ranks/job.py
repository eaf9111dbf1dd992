"""What the ranks of a fit are told, and what the first one answers: JSON files in the folder of the checkpoints."""

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from matinee.formats.manifests import CandidateManifest, SplitManifest
from matinee.settings import Resolved


class Job(BaseModel):
    """One training, as the fields of `CandidateFit` say it."""

    model_config = ConfigDict(frozen=True)
    NAME: ClassVar[str] = "job.json"

    split: Path
    made_of: SplitManifest
    settings: Resolved
    threads: int  # of each rank
    work: Path
    folder: Path  # to fill
    epochs: int | None = None  # of a fit on all rows
    tested: str = ""  # digest of the candidate that such a fit repeats


class Answer(BaseModel):
    """How the fit ended: with a candidate, or by divergence."""

    NAME: ClassVar[str] = "answer.json"

    made: CandidateManifest | None = None
    diverged: str = ""
