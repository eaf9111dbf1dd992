"""The retry and cache policies, each with its reason."""

import errno
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final, Literal, ParamSpec, TypeVar, cast

from prefect import task
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.states import Completed
from prefect.tasks import Task, exponential_backoff

from matinee.errors import MatineeError
from matinee.formats.steps import Step
from matinee.store import Plan, Reference, Store
from matinee.tasks.step_progress import reporting_progress

# The state in the UI of a step that was finished before. Prefect's own cache has this name too, without our message.
CACHED: Final = "Cached"

P = ParamSpec("P")
Made = TypeVar("Made")

# Errors that a retry does not fix: the path is wrong, or permission is missing.
_PERMANENT = {
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENAMETOOLONG,
}


def is_transient(failed: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether to retry a failed step: after an I/O error of the machine, never after an error in call or data."""
    try:
        state.result()
    except Exception as error:  # noqa: BLE001 - any failure is inspected, none is swallowed
        cause = error.__cause__ if isinstance(error, MatineeError) else error
        return isinstance(cause, OSError) and cause.errno not in _PERMANENT
    return False


# Any step but training handles a hundred million ratings in minutes: a step that takes this long hangs. Training has no
# timeout, because its length is the user's choice and it reports its progress every few seconds.
STEP_TIMEOUT_SECONDS = 6 * 3600


def step(
    name: Step | Literal["trial"],
    *,
    run_name: str | Callable[[], str] | None = None,
    plan: Callable[..., Plan] | None = None,
    trains: bool = False,
) -> Callable[[Callable[P, Made]], Task[P, Made]]:
    """Make a function the task of a step. All steps have the same retries; timeouts and cache keys differ.

    Args:
        name: The step, or a trial of a search for settings.
        run_name: Name of the task's run in the UI, or what makes it; the step's name if None.
        plan: Plans the one folder that the step makes, from the arguments of the task. Its digest is the cache key,
            given only if the folder is whole.
        trains: Whether the step fits a model.

    Returns:
        The decorator.
    """

    def decorate(function: Callable[P, Made]) -> Task[P, Made]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> Made:
            with reporting_progress(str(name), trains=trains):
                return function(*args, **kwargs)

        return policy(run)

    policy = task(
        name=name,
        task_run_name=run_name or str(name),
        # No tags: with one, Prefect asks the server for a slot of the tag's limit, which took up to two seconds.
        cache_key_fn=None if plan is None else _cache_key_by(plan),
        timeout_seconds=None if trains or plan is None else STEP_TIMEOUT_SECONDS,
        # A full disk or a lost network folder often recovers soon. The delays are 2, 4 and 8 s. The jitter multiplies
        # each by 0.6 to 1.5, so that not all retries come at once.
        retries=3,
        retry_delay_seconds=exponential_backoff(backoff_factor=2),
        retry_jitter_factor=0.5,
        retry_condition_fn=is_transient,
        # References are small and readable in the database; pickles are neither.
        persist_result=True,
        result_serializer="json",
    )
    return decorate


def folder_step(
    name: Step, *, run_name: Callable[[], str] | None = None, trains: bool = False
) -> Callable[[Callable[P, Plan]], Task[P, Reference]]:
    """Make a function that plans one folder the task of the step that makes it. The arguments are those of `step`."""

    def decorate(plan: Callable[P, Plan]) -> Task[P, Reference]:
        @wraps(plan)
        def make(*args: P.args, **kwargs: P.kwargs) -> Reference:
            return fulfil(str(kwargs["store"]), plan(*args, **kwargs))

        return step(name, run_name=run_name, plan=plan, trains=trains)(make)

    return decorate


def _cache_key_by(plan: Callable[..., Plan]) -> Callable[[TaskRunContext, dict[str, Any]], str | None]:
    def key(context: TaskRunContext, parameters: dict[str, Any]) -> str | None:
        try:
            planned = plan(**parameters)
            whole = Store(Path(parameters["store"])).take(planned)
        except MatineeError:
            return None  # the step itself says what is wrong
        return f"{planned.kind}-{planned.digest}" if whole else None

    return key


def fulfil(store: str, plan: Plan) -> Reference:
    """Make the plan's folder and return its reference; a folder that exists already shows as `Cached` in the UI.

    The store decides whether a step is finished, whatever Prefect's database holds.
    """
    opened = Store.open(Path(store))
    done = opened.has(plan)
    reference = opened.ensure(plan)
    return (
        as_cached(reference, message=f"finished before, skipped: {reference.location}") if done else reference
    )


def as_cached(made: Made, *, message: str) -> Made:
    """The return value of a task whose result exists already: a state that carries the result."""
    return cast("Made", Completed(name=CACHED, message=message, data=made))
