"""The result of `matinee plan`."""

from pydantic import Field

from matinee.formats.base import Format
from matinee.pipeline.planning.rates import Machine


class Remedy(Format):
    """What a step needs less memory with."""

    settings: list[str] = Field(description="What to set, all together, as `--set` takes it.")
    hosts: int = Field(description="Number of hosts that share the step.")
    memory: int = Field(
        description="Largest memory of the step with it, in bytes; 0 if the step is left out."
    )
    seconds: float = Field(description="Seconds of the step with it.")
    fits: bool = Field(description="Whether the step fits with it.")
    host_memory: int = Field(description="Memory that a host must have for the step with it, in bytes.")
    gives_up: list[str] = Field(description="What is worse with it than with the settings of the plan.")


class StepForecast(Format):
    """What one step takes."""

    step: str = Field(description="The step; `start` is the time before the first one.")
    seconds: float = Field(description="Seconds.")
    memory: int = Field(description="Largest memory of a process on a host, in bytes.")
    disk: int = Field(description="Bytes that it leaves in the store.")
    network: int = Field(description="Bytes that each rank sends.")
    fits: bool = Field(description="Whether the memory is enough.")
    remedies: list[Remedy] = Field(description="What it needs less memory with; empty for a step that fits.")


class RunForecast(Format):
    """The result of `matinee plan`."""

    ratings: int = Field(description="Number of ratings.")
    users: int = Field(description="Number of users.")
    movies: int = Field(description="Number of movies.")
    hosts: int = Field(description="Number of hosts.")
    cores: int = Field(description="Cores of each host.")
    memory: int = Field(description="Memory of each host, in bytes.")
    usable: int = Field(description="Memory of each host that a run may use, in bytes.")
    seconds: float = Field(description="Seconds of the run.")
    peak: int = Field(description="Largest memory of a step, in bytes.")
    disk: int = Field(description="Bytes in the store.")
    network: int = Field(description="Bytes that each rank sends.")
    fits: bool = Field(description="Whether every step fits.")
    steps: list[StepForecast] = Field(description="The steps in their order.")
    not_compared: list[str] = Field(description="What no plan like this one was compared with a run for.")
    measured: str = Field(description="When the rates were measured (UTC).")
    machine: Machine = Field(description="The machine on which they were measured.")
