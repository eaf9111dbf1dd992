"""A nightly run sets any odd file in the drop folder aside with a report, and uses the other files."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from dropped import GOOD, HEADER, night, write_drop
from packed import nested, parquet

from matinee.errors import DataError
from matinee.ingest.checks import refusal
from matinee.ingest.inbox.intake import Intake, take_in
from matinee.settings import Settings
from matinee.store import Store

Put = Callable[[Path], object]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One store for all nights, so the good file is parsed once."""
    return Store.open(tmp_path_factory.mktemp("nights") / "store")


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    return write_drop(tmp_path / "drop")


def text(content: str | bytes) -> Put:
    return lambda path: path.write_bytes(content.encode() if isinstance(content, str) else content)


def listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as end:
        here = Path.cwd()
        os.chdir(path.parent)  # the path of a socket must be short
        try:
            end.bind(path.name)
        finally:
            os.chdir(here)


# Each kind of fault of a file; tests/faults/attacks has more of them.
ODD: dict[str, tuple[str | bytes, Put]] = {
    "Parquet of bytes": ("a.csv", text(parquet(userID=[b"1", b"2"], movieID=[1, 1], rating=[3.0, 4.0]))),
    "gzip nested 300 deep": ("a.csv", text(nested(GOOD.encode(), 300))),
    "a name that is not UTF-8": (b"caf\xe9.csv", text(GOOD)),
    "a name of 250 bytes": ("x" * 246 + ".csv", text(HEADER + "x,1,3\n")),
    "a name of line ends and escapes": ("a\n\x1b[31m.csv", text(HEADER + "x,1,3\n")),
    "a name of signs that turn text": ("\u202ecsv.exe", text("rating")),
    "a pipe": ("a.csv", os.mkfifo),
    "a socket": ("a.csv", listen),
    "a link to itself": ("a.csv", lambda path: path.symlink_to(path)),
    "a link that leads nowhere": ("a.csv", lambda path: path.symlink_to("nowhere")),
    "a link to a device": ("a.csv", lambda path: path.symlink_to("/dev/zero")),
    "a row that a spreadsheet obeys": ("a.csv", text(HEADER + "=cmd|' /C calc'!A0,1,3\n")),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_is_set_aside_and_the_good_file_is_used(name: str, store: Store, drop: Path) -> None:
    odd, put = ODD[name]
    path = drop / os.fsdecode(odd)
    put(path)
    found = night(store, drop)
    assert found.new
    assert [Path(taken).name for taken in found.ratings] == ["good.csv"]
    ((report, reason),) = found.refused.items()
    assert not os.path.lexists(path)
    told = Path(report).read_text("utf-8")
    assert "was refused" in told
    assert reason.isprintable()
    assert all(line.isprintable() for line in told.splitlines())
    assert Path(report).parent == drop / "refused"
    assert Intake.model_validate_json(found.model_dump_json()) == found, "Prefect keeps it as JSON"
    assert not night(store, drop).refused


def test_a_link_out_of_the_folder_is_set_aside_and_nothing_of_its_target_is_shown(
    store: Store, drop: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "mine" / "secret.csv"
    secret.parent.mkdir()
    secret.write_text("the password is 12345\n")
    (drop / "sub").mkdir()
    (drop / "direct.csv").symlink_to(secret)
    (drop / "detour.csv").symlink_to("sub/../../mine/secret.csv")
    (drop / "sub" / "chain.csv").symlink_to(drop / "direct.csv")
    (drop / "folder").symlink_to(secret.parent)
    (drop / "refused").mkdir()
    (drop / "refused" / "old.csv").write_text(GOOD)
    (drop / "again.csv").symlink_to("refused/old.csv")
    (drop / "sub" / "within.csv").symlink_to("../good.csv")
    found = night(store, drop)
    assert {Path(taken).name for taken in found.ratings} == {"good.csv", "within.csv"}
    assert len(found.refused) == 5
    assert all("leads out of the drop folder" in reason for reason in found.refused.values())
    shown = [
        path.read_text() for path in (drop / "refused").rglob("*") if not path.is_symlink() and path.is_file()
    ]
    assert "password" not in "".join(shown)
    assert secret.read_text() == "the password is 12345\n"
    assert not night(store, drop).refused


def test_each_refusal_is_announced_also_if_the_rows_of_a_database_are_refused_afterwards(
    store: Store, drop: Path, tmp_path: Path
) -> None:
    (drop / "pipe.csv").symlink_to("nowhere")
    (drop / "empty.csv").touch()
    rows = tmp_path / "rows.csv"
    rows.write_text("no ratings\n")
    told: list[str] = []
    with pytest.raises(DataError, match=r"rows\.csv"):
        take_in(
            store,
            drop,
            titles="movie_titles.csv",
            settings=Settings(),
            settle_seconds=0,
            rows=[rows],
            on_refused=lambda report, reason: told.append(Path(report).name),
        )
    assert told == ["pipe.csv.report.txt"]
    assert (drop / "empty.csv").exists(), "what is not announced has not been moved"


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_file_or_link_named_refused_does_not_block_refusals(
    kind: str, store: Store, drop: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    if kind == "file":
        (drop / "refused").write_text("this is no rating\n")
    else:
        (drop / "refused").symlink_to(tmp_path / "elsewhere")
    (drop / "a.csv").write_text("nor is this\n")
    found = night(store, drop)
    assert [Path(taken).name for taken in found.ratings] == ["good.csv"]
    assert str(drop / "refused-files" / "a.csv.report.txt") in found.refused
    assert not any((tmp_path / "elsewhere").iterdir())
    assert not night(store, drop).refused


def test_a_report_replaces_links_and_avoids_folders_of_its_name(
    store: Store, drop: Path, tmp_path: Path
) -> None:
    for letter in ("mine", "theirs"):
        (tmp_path / letter).write_text("Dear reader\n")
    (drop / "refused" / "b.csv").mkdir(parents=True)
    (drop / "refused" / "a.csv").symlink_to(tmp_path / "mine")
    (drop / "refused" / "a.csv.report.txt").symlink_to(tmp_path / "theirs")
    for name in ("a.csv", "b.csv"):
        (drop / name).write_text("no ratings\n")
    found = night(store, drop)
    assert len(found.refused) == 2
    assert all("was refused" in Path(report).read_text("utf-8") for report in found.refused)
    assert {(tmp_path / letter).read_text() for letter in ("mine", "theirs")} == {"Dear reader\n"}


def test_a_file_that_repeats_one_pair_is_set_aside(
    store: Store, drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusal, "MOST_ROWS_OF_A_USER", 200)
    (drop / "a.csv").write_text(HEADER + "1,1,5\n" * 300)
    found = night(store, drop)
    assert [Path(taken).name for taken in found.ratings] == ["good.csv"]
    assert "the user 1 has 300 rows" in next(iter(found.refused.values()))


def test_changed_limits_read_no_file_again(store: Store, drop: Path) -> None:
    settings = Settings.model_validate({"ingest": {"max_line_mb": 32, "max_ratio": 400, "max_rejects_mb": 9}})
    there = night(store, drop)
    raised = take_in(store, drop, titles="movie_titles.csv", settings=settings, settle_seconds=0)
    assert raised.mark == there.mark
