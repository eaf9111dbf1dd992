"""The command `plan`: rates are kept, sizes that no data has are refused, and what to set is printed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from planned import RATES, SECONDS

from matinee.cli.main import main
from matinee.cli.terminal import TerminatedError
from matinee.pipeline.planning import Rates, RunForecast, calibration, known_rates
from matinee.pipeline.planning.fit_cost import fit_key
from matinee.pipeline.planning.rates import Machine, this_machine
from matinee.settings import Settings
from matinee.settings.parse import read_settings

SIZE = ("--ratings", "100000000", "--users", "480000", "--movies", "17770")
LARGE_CATALOG = ("--ratings", "30000000", "--users", "330000", "--movies", "40000")


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


def test_rates_without_a_name_that_a_plan_needs_are_measured_again(
    measured: tuple[list[Machine], Callable[..., Rates]], tmp_path: Path
) -> None:
    machines, measure = measured
    known_rates(Settings(), measure=measure)
    (file,) = (tmp_path / "cache" / "rates").iterdir()
    names = SECONDS.keys() - {"fit gibbs"}
    for name in names:
        less = {other: seconds for other, seconds in SECONDS.items() if other != name}
        file.write_text(RATES.model_copy(update={"seconds": less}).model_dump_json(), "utf-8")
        known_rates(Settings(), measure=measure)
    file.write_text(RATES.model_copy(update={"disk_row": {"ingest": 7.0}}).model_dump_json(), "utf-8")
    known_rates(Settings(), measure=measure)
    assert len(machines) == 1 + len(names) + 1


def test_a_cache_folder_that_cannot_be_written_is_one_warning(
    measured: tuple[list[Machine], Callable[..., Rates]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(calibration, "measure_rates", measured[1])
    (tmp_path / "file").touch()
    monkeypatch.setenv("MATINEE_CACHE", str(tmp_path / "file"))
    assert main(["plan", *SIZE, "--memory", "64"]) == 0
    assert capsys.readouterr().err.count("could not be kept in the cache folder") == 1


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, 130), (TerminatedError, 143)])
def test_a_measurement_that_is_stopped_says_that_nothing_was_kept(
    error: type[KeyboardInterrupt],
    status: int,
    measured: tuple[list[Machine], Callable[..., Rates]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(settings: Settings, machine: Machine) -> Rates:
        raise error

    monkeypatch.setattr(calibration, "measure_rates", stop)
    assert main(["plan", *SIZE]) == status
    said = capsys.readouterr().err
    assert said.count("measuring this machine once, about a minute") == 1
    assert said.endswith("Stopped. No rates were kept; the same command measures again.\n")


def test_a_machine_whose_memory_is_unknown_is_not_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = Machine(processor="test", cores=2, memory=0)
    monkeypatch.setattr("matinee.pipeline.planning.this_machine", lambda: unknown)
    monkeypatch.setattr(calibration, "measure_rates", _unexpected)
    assert main(["plan", *SIZE]) == 2
    assert "Give that of a host with --memory" in capsys.readouterr().err


def test_the_measurement_has_only_the_settings_that_its_rates_depend_on() -> None:
    far_off = read_settings(assignments=["train.learning_rate=10", "train.weight_decay=10", "train.seed=3"])
    assert calibration._small(far_off) == calibration._small(Settings())
    burning = read_settings(preset="accurate", assignments=["train.burn_in=70", "model.embedding_size=16"])
    assert calibration._small(burning) == calibration._small(read_settings(preset="accurate"))
    mlp = read_settings(assignments=["model.name=mlp", "model.hidden_size=8", "train.batch_size=512"])
    assert fit_key(calibration._small(mlp).resolved()) == fit_key(mlp.resolved())


def test_the_command_prints_the_steps_and_what_to_set(
    measured: tuple[list[Machine], Callable[..., Rates]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(calibration, "measure_rates", measured[1])
    assert main(["plan", *LARGE_CATALOG, "--memory", "2", "--cores", "4", "--set", "train.epochs=30"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "30,000,000 ratings" in lines[0]
    assert lines[0].endswith("4 cores and 2.0 GB; train.epochs=30")
    assert [line.split()[0] for line in lines[1:9]] == [
        "step", "start", "ingest", "split", "train", "rank", "evaluate", "publish",
    ]  # fmt: skip
    assert "train includes the first fit and the refit" in lines[10]
    large = next(number for number, line in enumerate(lines) if line.startswith("too large rank needs"))
    assert lines[large].endswith("of the 1.90 GB that may be used")
    assert lines[large + 1].startswith("          --set rank.dense_mb=2048 --set rank.rank=64: 1.84 GB and ")
    assert lines[-3].startswith("measured  2026-01-01 00:00 UTC, ")
    assert lines[-1] == "          no such plan was compared with a run: 4 cores"
    assert main(["plan", *LARGE_CATALOG, "--memory", "1.5", "--cores", "2"]) == 0
    least = next(line for line in capsys.readouterr().out.splitlines() if "with rank.dense_mb" in line)
    assert "rank.rank=32 it needs 1.81 GB: use a host with 2.0 GB" in least


def test_the_command_says_what_hosts_share(
    measured: tuple[list[Machine], Callable[..., Rates]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(calibration, "measure_rates", measured[1])
    assert main(["plan", *SIZE, "--hosts", "4", "--memory", "64"]) == 0
    assert "torchrun starts one rank on each host" in capsys.readouterr().out
    assert main(["plan", *SIZE, "--hosts", "4", "--memory", "64", "--json"]) == 0
    found = RunForecast.model_validate_json(capsys.readouterr().out.splitlines()[-1])
    assert (found.hosts, found.fits, found.network > 0) == (4, True, True)
    assert "4 hosts" in found.not_compared
    assert main(["plan", *SIZE, "--hosts", "4", "--memory", "64", "--preset", "accurate"]) == 0
    assert "this method is fitted on one host" in capsys.readouterr().out


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
