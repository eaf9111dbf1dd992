"""Digests of code are computed by one process and read by the others, for the same code alone."""

from pathlib import Path

import pytest

from matinee.store.code_digests import known_digests
from matinee.store.source_code import SourceCode
from matinee.store.user_cache import CACHE


class _Finished(SourceCode):
    """Code whose digests must be known."""

    def digests(self, module: str) -> list[str]:
        raise AssertionError(f"{module} was read again")


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    package = tmp_path / "matinee"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text("from matinee.two import x\n\ny = x + 1\n")
    (package / "two.py").write_text("x = 1\n")
    return {"matinee": package}


def test_a_second_process_reads_the_digests(folders: dict[str, Path]) -> None:
    found = known_digests(SourceCode(folders), ["matinee.one"])
    assert len(found) == 2
    assert known_digests(_Finished(folders), ["matinee.one"]) == found


def test_changed_code_has_other_digests(folders: dict[str, Path]) -> None:
    before = known_digests(SourceCode(folders), ["matinee.one"])
    (folders["matinee"] / "two.py").write_text("x = 2\n")
    assert known_digests(SourceCode(folders), ["matinee.one"]) != before


@pytest.mark.parametrize("content", [b"", b"{", b'{"modules": {"matinee.one": 1}}', b"\xff"])
def test_a_damaged_file_is_replaced(content: bytes, folders: dict[str, Path], tmp_path: Path) -> None:
    found = known_digests(SourceCode(folders), ["matinee.one"])
    (file,) = (tmp_path / "cache").rglob("*.json")
    file.write_bytes(content)
    assert known_digests(SourceCode(folders), ["matinee.one"]) == found
    assert known_digests(_Finished(folders), ["matinee.one"]) == found


def test_without_a_place_to_write_they_are_computed(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(CACHE, str(tmp_path / "file"))
    assert len(known_digests(SourceCode(folders), ["matinee.one"])) == 2
