"""What a run of some size would take: memory, network and time of each step, from rates measured on this machine.

Each step has a formula for its work and its memory, taken from its code. `calibration` measures what work costs.
"""

from matinee.pipeline.planning.forecast import RunForecast, StepForecast, forecast
from matinee.pipeline.planning.rates import Rates, known_rates

__all__ = ["Rates", "RunForecast", "StepForecast", "forecast", "known_rates"]
