"""Work during a step: its result and its errors arrive, and it ends with the step."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from matinee.store import progress
from matinee.store.background import AbandonedError, in_background, map_stoppable


def test_the_result_and_the_error_of_the_work_arrive() -> None:
    with in_background(lambda: threading.current_thread() is threading.main_thread()) as is_here:
        assert not is_here()
    with in_background(lambda: 1 // 0) as fails, pytest.raises(ZeroDivisionError):
        fails()


@pytest.mark.parametrize(
    "report", [lambda: progress.part("round", 1, 2), progress.advance, lambda: progress.begin("it")]
)
def test_abandoned_work_ends_where_it_reports(report: Callable[[], None]) -> None:
    ended: list[type[BaseException]] = []

    def work() -> None:
        try:
            for _ in range(1_000_000):
                report()
        except AbandonedError as error:
            ended.append(type(error))
            raise

    with pytest.raises(KeyboardInterrupt), in_background(work):
        raise KeyboardInterrupt
    assert ended == [AbandonedError]


def test_the_work_is_not_shown() -> None:
    with progress.watched(progress.Work()) as shown:
        progress.begin("drawing plots")
        with in_background(lambda: progress.begin("something else")) as done:
            done()
        assert shown.now().what == "drawing plots"


def test_a_second_signal_does_not_let_the_rest_be_done() -> None:
    done: list[int] = []

    def work(piece: int) -> None:
        time.sleep(0.001)
        done.append(piece)

    with pytest.raises(KeyboardInterrupt), ThreadPoolExecutor(1) as pool:
        pieces = map_stoppable(pool, work, range(2_000))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Future, "cancel", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
            for _ in pieces:
                raise KeyboardInterrupt
    assert len(done) < 2_000
