"""Plans from the rates of an invented machine."""

from matinee.pipeline.planning import Rates, RunForecast, StepForecast, forecast
from matinee.pipeline.planning.rates import Machine
from matinee.settings import Settings

GB = 10**9
# About those of two cores of 2021.
SECONDS = {
    "read_row": 3e-8, "level_row": 5e-9, "group_row": 5e-8, "block_row": 6e-8,
    "movie_pair": 4e-9, "user_pair": 3e-9, "factor_flop": 1.5e-11, "solve_flop": 2e-11, "product_cell": 3e-10,
    "list_cell": 1e-8, "list_user": 3e-5, "hashed_byte": 9e-10, "written_byte": 1e-9,
    "ingest_row": 3e-7, "split_row": 3e-7, "evaluate_row": 4e-7,
    "fit sgd": 7e-10, "fit sgd far": 2e-9, "fit gibbs": 1e-10,
}  # fmt: skip
RATES = Rates(
    measured="2026-01-01T00:00:00+00:00",
    machine=Machine(processor="test", cores=2, memory=16 * GB),
    start=8.0,
    seconds=SECONDS,
    fixed={"evaluate": 2.0, "publish": 1.0},
    disk_row={"ingest": 7.0, "split": 5.0},
)


def plan(
    ratings: int = 10**7, users: int = 50_000, movies: int = 8_000, *, settings: Settings | None = None,
    hosts: int = 1, cores: int = 2, memory: int = 64 * GB,
) -> RunForecast:  # fmt: skip
    return forecast(
        RATES,
        settings or Settings(),
        ratings=ratings,
        users=users,
        movies=movies,
        hosts=hosts,
        cores=cores,
        memory=memory,
    )


def step_of(found: RunForecast, name: str) -> StepForecast:
    return next(step for step in found.steps if step.step == name)
