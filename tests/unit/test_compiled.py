"""Compiled loops are found again only for the code that they were compiled from."""

import errno
import os
from pathlib import Path

import numba
import pytest
from code_trees import CODE, imports_of, modules_of

from matinee.store import compiled


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for numba's cache."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))  # numba reads it again when a loop is compiled
    compiled._folder.cache_clear()
    return tmp_path


def _double(x: int) -> int:
    return 2 * x


def test_other_code_has_another_folder_and_few_states_are_kept(
    chosen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for state in range(7):
        monkeypatch.setattr(compiled, "code_digest", lambda module, state=state: f"{len(module)}-{state}")
        compiled._folder.cache_clear()
        assert compiled.njit(cache=True)(_double)(state) == 2 * state
        assert str(chosen) == numba.config.CACHE_DIR  # loops of others stay where they are
        (folder,) = chosen.glob(f"loops/*-{state}")
        assert list(folder.rglob("*.nbi"))
        os.utime(folder, (state, state))
    assert sorted(int(path.name[-1]) for path in chosen.glob("loops/*")) == [3, 4, 5, 6]


def test_empty_files_are_compiled_again_and_other_damage_is_named(chosen: Path) -> None:
    compiled.njit(cache=True)(_double)(3)
    for damage, found in ((b"", None), (b"damaged", chosen)):
        for file in chosen.rglob("*.nbi"):
            file.write_bytes(damage)
        compiled._folder.cache_clear()
        try:
            assert compiled.njit(cache=True)(_double)(3) == 6
        except Exception as error:  # noqa: BLE001 - of numba or of pickle
            assert found in compiled.damaged_loops(error).parents
        else:
            assert found is None
    assert compiled.damaged_loops(ValueError()) is None


def test_loops_that_cannot_be_written_are_not_damaged(chosen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", refuse)
    with pytest.raises(OSError, match="No space") as failed:
        compiled.njit(cache=True)(_double)(3)
    assert compiled.damaged_loops(failed.value) is None


def test_a_folder_that_cannot_be_written_is_replaced_by_the_cache_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "__file__", str(tmp_path / "none/store/compiled.py"))
    monkeypatch.setenv("MATINEE_CACHE", str(tmp_path / "cache"))
    compiled._base.cache_clear()
    assert compiled._base("") == tmp_path / "cache/loops"
    compiled._base.cache_clear()


def test_every_loop_is_kept_by_its_code() -> None:
    users = [path for _, path in modules_of(CODE) for _, name in imports_of(path) if name == "numba.njit"]
    assert not users
    calls = [path for _, path in modules_of(CODE) if "numba.njit(" in path.read_text("utf-8")]
    assert [path.name for path in calls] == ["compiled.py"]
