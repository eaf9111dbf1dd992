"""The command `plan`: rates are kept, sizes that no data has are refused, and what to set is printed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from planned import RATES

from matinee.cli.main import main
from matinee.pipeline.planning import Rates, RunForecast, calibration, known_rates
from matinee.pipeline.planning.rates import Machine, this_machine
from matinee.settings import Settings
from matinee.settings.parse import read_settings


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[list[Machine], Callable[..., Rates]]:
    """The machines that were measured, and a measurement without work; with an empty cache folder."""
    monkeypatch.setenv("MATINEE_CACHE", str(tmp_path / "cache"))
    machines: list[Machine] = []

    def measure(settings: Settings, machine: Machine) -> Rates:
        machines.append(machine)
        return RATES.model_copy(update={"machine": machine})

    return machines, measure


def test_rates_are_kept_until_machine_or_method_change(
    measured: tuple[list[Machine], Callable[..., Rates]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machines, measure = measured
    first = known_rates(Settings(), measure=measure)
    same = read_settings(
        assignments=["gate.tolerance=1", "model.embedding_size=64"]
    )  # its work is in other formulas
    assert known_rates(same, measure=measure) == first
    assert len(machines) == 1
    known_rates(Settings(), measure=measure, again=True)
    known_rates(read_settings(preset="accurate"), measure=measure)
    assert len(machines) == 3
    other = this_machine().model_copy(update={"cores": 99})
    monkeypatch.setattr("matinee.pipeline.planning.rates.this_machine", lambda: other)
    assert known_rates(Settings(), measure=measure).machine.cores == 99
    for file in (tmp_path / "cache" / "rates").iterdir():
        file.write_text("{}", "utf-8")
    known_rates(Settings(), measure=measure)
    assert len(machines) == 5


def test_the_command_prints_the_steps_and_what_to_set(
    measured: tuple[list[Machine], Callable[..., Rates]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(calibration, "measure_rates", measured[1])
    size = ["--ratings", "100000000", "--users", "480000", "--movies", "17770"]
    assert main(["plan", *size, "--memory", "4.5", "--cores", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "100,000,000 ratings" in lines[0]
    assert "4 cores and 4.5 GB" in lines[0]
    assert [line.split()[0] for line in lines[1:9]] == [
        "step", "start", "ingest", "split", "train", "rank", "evaluate", "publish",
    ]  # fmt: skip
    assert any(line.startswith("too large rank needs") for line in lines)
    assert any("--set rank.dense_mb=" in line for line in lines)
    assert main(["plan", *size, "--hosts", "4", "--memory", "64", "--json"]) == 0
    found = RunForecast.model_validate_json(capsys.readouterr().out.splitlines()[-1])
    assert (found.hosts, found.fits, found.network > 0) == (4, True, True)


def _unexpected(settings: Settings, machine: Machine) -> Rates:
    raise AssertionError("nothing may be measured")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--ratings", "100", "--users", "5", "--movies", "5"], "expected 5 to 25 ratings"),
        (["--ratings", "100", "--users", "500", "--movies", "5"], "expected 500 to 2,500 ratings"),
        (["--ratings", "1000000", "--users", "100", "--movies", "3000"], "expected 100 to 300,000 ratings"),
        (
            ["--ratings", "5,000,000", "--users", "5", "--movies", "5"],
            "expected digits only, such as 5000000",
        ),
        (
            ["--ratings", "5_000_000", "--users", "5", "--movies", "5"],
            "expected digits only, such as 5000000",
        ),
        (
            ["--ratings", "20", "--users", "5", "--movies", "5", "--memory", "0"],
            "expected 0.1 to 1,000,000 GB",
        ),
        (["--ratings", "20", "--users", "5", "--movies", "5", "--memory", "1e300"], "expected 0.1 to"),
        (["--ratings", "20", "--users", "5", "--movies", "5", "--memory", "1e-12"], "expected 0.1 to"),
        (["--ratings", "20", "--users", "5", "--movies", "5", "--hosts", "99"], "expected 32 hosts or fewer"),
        (["--ratings", "0", "--users", "5", "--movies", "5"], "expected a whole number of 1 or more"),
    ],
)
def test_sizes_that_no_data_has_are_refused(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "measure_rates", _unexpected)
    assert main(["plan", *words]) == 2
    assert says in capsys.readouterr().err
