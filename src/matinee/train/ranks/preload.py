"""What the fork server imports before it forks ranks: modules that take seconds, and the compiled kernels."""

from matinee.settings import Settings
from matinee.train.candidate import warm_up
from matinee.train.ranks.rank import run as run  # noqa: PLC0414 - so that it is imported

warm_up(Settings().resolved(), device="cpu")
