"""What a run of some size would take: memory, network and time of each step, from rates measured on this machine.

Each step has a formula for its work and its memory, taken from its code. `calibration` measures what work costs.
"""

from matinee.pipeline.planning.checks import check_size
from matinee.pipeline.planning.forecast import forecast
from matinee.pipeline.planning.rates import Rates, known_rates, this_machine
from matinee.pipeline.planning.result import Remedy, RunForecast, StepForecast

__all__ = [
    "Rates", "Remedy", "RunForecast", "StepForecast", "check_size", "forecast", "known_rates", "this_machine",
]  # fmt: skip
