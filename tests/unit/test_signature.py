"""Signatures prove who wrote a release: publish and forget write them, and loading with a key checks them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from object_store import Address, remote_at
from small_release import write_release

import matinee
from matinee.cli.main import main
from matinee.errors import ConfigError, ReleaseError
from matinee.maintenance import remote_sign
from matinee.maintenance.forget import forget
from matinee.registry import Registry
from matinee.release import signature, verify
from matinee.release.signature import (
    PASSWORD_FILE,
    PUBLIC_KEY,
    SIGNING_KEY,
    check_publishing,
    check_signing,
    sign,
)
from matinee.settings.parse import read_settings
from matinee.store import Store
from matinee.store.remote import Remote
from matinee.store.remote.folders import RemoteFolders

minisign = pytest.importorskip("minisign")
Keys = tuple[Path, Path]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """The files of a public key and its secret key, in the format of minisign."""
    pair = minisign.KeyPair.generate()
    files = tmp_path / "key.pub", tmp_path / "key.sec"
    for file, key in zip(files, (pair.public_key, pair.secret_key), strict=True):
        file.write_bytes(bytes(key) + b"\n")
    return files


@pytest.fixture
def folder(tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A signed release."""
    write_release(tmp_path / "v0001")
    monkeypatch.setenv(SIGNING_KEY, str(keys[1]))
    sign(tmp_path / "v0001")
    return tmp_path / "v0001"


def test_a_signed_release_loads_only_with_its_key(
    folder: Path, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert matinee.load(folder, public_key=keys[0]).version == "v0001"
    assert matinee.load(folder, public_key=str(keys[0])).version == "v0001"
    assert matinee.load(folder).version == "v0001"
    other = tmp_path / "other.pub"
    other.write_bytes(bytes(minisign.KeyPair.generate().public_key))
    monkeypatch.setenv(PUBLIC_KEY, str(other))  # an argument overrides the environment
    assert verify(folder, public_key=keys[0]).version == "v0001"
    for look in (matinee.load, verify):
        with pytest.raises(ReleaseError, match="is not a signature of this manifest by the key"):
            look(folder)


@pytest.mark.parametrize("change", ["byte", "cut", "empty", "text", "absent", "comment"])
def test_a_signature_that_does_not_fit_is_a_release_error(change: str, folder: Path, keys: Keys) -> None:
    path = folder / "manifest.json.minisig"
    signed = path.read_bytes()
    changed = {
        "byte": signed.replace(signed.split(b"\n")[1][20:24], b"AAAA"),
        "cut": signed[:90],
        "empty": b"",
        "text": b"\xff\n" * 4,
        "absent": signed,
        "comment": signed.replace(b"release v0001", b"release v0009"),
    }
    path.write_bytes(changed[change])
    if change == "absent":
        path.unlink()
    with pytest.raises(ReleaseError, match=r"not signed|not a signature of this manifest"):
        matinee.load(folder, public_key=keys[0])


def test_what_a_killed_sign_has_left_hides_no_release(folder: Path, keys: Keys) -> None:
    left = folder / ".manifest.json.minisig.4194304_0"  # above any process number
    left.write_text("untrusted comm")
    assert matinee.load(folder, public_key=keys[0]).version == "v0001"
    (folder / ".manifest.json.4194304_0").write_text("{}")
    with pytest.raises(ReleaseError, match="not in the release's manifest"):
        matinee.load(folder)
    sign(folder)
    assert not left.exists()


def test_an_invalid_key_is_a_config_error(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("no key")
    for key, says in (
        ("text", "not a minisign public key"),
        ("absent", "can't be read"),
        ("key.sec", "not a minisign public key"),
    ):
        with pytest.raises(ConfigError, match=says):
            matinee.load(folder, public_key=tmp_path / key)
    with pytest.raises(ConfigError, match="empty path"):
        matinee.load(folder, public_key="")
    monkeypatch.setenv(SIGNING_KEY, "/dev/zero")
    with pytest.raises(ConfigError, match="not a plain file"):
        check_signing()
    monkeypatch.delenv(SIGNING_KEY)
    check_signing()
    with pytest.raises(ConfigError, match="no signing key"):
        sign(folder)


def _without_memory(*_: object) -> None:
    raise MemoryError


def test_a_password_is_read_from_a_file_and_never_printed(
    folder: Path, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = minisign.SecretKey.from_file(keys[1])
    secret.encrypt("open sesame", opslimit=32768, memlimit=1 << 24)
    keys[1].write_bytes(bytes(secret) + b"\n")
    with pytest.raises(ConfigError, match=PASSWORD_FILE):
        sign(folder)
    monkeypatch.setenv(PASSWORD_FILE, str(tmp_path / "password"))
    (tmp_path / "password").write_text("wrong sesame\n")
    with pytest.raises(ConfigError, match=r"password in .* does not open the signing key") as caught:
        check_signing()
    assert "sesame" not in str(caught.value)
    (tmp_path / "password").write_text("open sesame\n")
    with monkeypatch.context() as patched:
        patched.setattr("minisign.SecretKey.decrypt", _without_memory)
        with pytest.raises(ConfigError, match="not enough memory"):
            check_signing()
    sign(folder)
    assert matinee.load(folder, public_key=keys[0]).version == "v0001"


def test_publish_signs_and_forget_renews_or_removes_the_signature(
    sample: Path,
    steps: Callable[..., Any],
    keys: Keys,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(SIGNING_KEY, str(keys[1]))
    monkeypatch.setenv(PUBLIC_KEY, str(keys[0]))
    store = Store.open(tmp_path / "store")
    settings = read_settings(assignments=["train.epochs=1", "gate.tolerance=1", "model.embedding_size=2"])
    steps(store, sample / "ratings.csv", sample / "movie_titles.csv", settings)
    champion = Registry(store.root).champion_folder
    user = int(matinee.load(champion()).users.ids[3])
    forget(store.root, user)
    release = matinee.load(champion())
    assert (release.manifest["forgotten"], user in release.users.ids) == (1, False)
    assert str(keys[1]) not in "".join(path.read_text("latin-1") for path in store.root.rglob("*.json*"))
    monkeypatch.delenv(SIGNING_KEY)
    forget(store.root, int(release.users.ids[3]))
    assert "v0001 is no longer signed" in caplog.text
    with pytest.raises(ReleaseError, match="is not signed"):
        matinee.load(champion())
    monkeypatch.setenv(SIGNING_KEY, str(keys[1]))
    assert main(["sign", "--store", str(store.root), "v0001"]) == 0
    assert matinee.load(champion()).manifest["forgotten"] == 2


def test_a_run_whose_release_would_be_refused_does_not_train(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal() -> str:
        with pytest.raises(ConfigError) as caught:
            matinee.retrain("ratings.csv", "titles.csv", tmp_path / "store")
        return str(caught.value)

    monkeypatch.setenv(PUBLIC_KEY, str(keys[0]))
    monkeypatch.delenv(SIGNING_KEY, raising=False)
    assert "without a signature" in refusal()
    monkeypatch.setenv(SIGNING_KEY, str(keys[1]))
    check_publishing()
    other = tmp_path / "other.sec"
    other.write_bytes(bytes(minisign.KeyPair.generate().secret_key))
    monkeypatch.setenv(SIGNING_KEY, str(other))
    assert "does not belong to the public key" in refusal()


def test_a_key_that_cannot_sign_stops_forget_before_any_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(Store.open(tmp_path / "store").root)
    write_release(registry.folder("v0001"))
    monkeypatch.setenv(SIGNING_KEY, str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match=r"secret key .* can't be read"):
        forget(registry.root, 1)
    assert not (registry.root / "forgotten.json").exists()


def test_forget_does_not_renew_the_checksum_of_a_changed_file(folder: Path) -> None:
    from matinee.maintenance.erase import erase_from_release

    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ReleaseError, match="was changed"):
        erase_from_release(folder, folder.with_name("fresh"), 0)


def test_without_the_extra_the_error_says_what_to_install(
    folder: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "minisign", None)
    for call in (lambda: matinee.load(folder, public_key=keys[0]), signature.check_signing):
        with pytest.raises(ConfigError, match=r"matinee\[sign\]"):
            call()


def test_releases_shows_which_releases_are_signed(
    tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(SIGNING_KEY, str(keys[1]))
    registry = Registry(Store.open(tmp_path / "store").root)
    for version in ("v0001", "v0002"):
        write_release(registry.folder(version))
        registry.point_to(version, action="publish", reason="test")
    sign(registry.folder("v0002"))
    call = ["releases", "--store", str(registry.root), "--verify"]
    assert main(call) == 0
    assert main([*call, "--public-key", str(keys[0])]) == 1
    first, second = capsys.readouterr().out.splitlines()[-2:]
    assert "v0001" in first
    assert "DAMAGED" in first
    assert "is not signed" in first
    assert second.endswith("champion  verified, signed")


@pytest.fixture
def in_a_bucket(
    remote: Address, objects_in_memory: None, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> Remote:
    """A store with an unsigned release, in which releases can be signed."""
    first = remote_at(remote("first"))
    write_release(first.root / "releases" / "v0001")
    registry = Registry(first.root)
    with registry.lock():
        first.store_release("v0001")
        registry.point_to("v0001", action="publish", reason="the first one")
    monkeypatch.setenv(SIGNING_KEY, str(keys[1]))
    return first


def test_a_release_in_a_bucket_is_signed_for_every_host(
    in_a_bucket: Remote, remote: Address, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    before = matinee.load(remote("second"))  # which has it in its cache
    assert main(["sign", "v0001", "--store", remote("first")]) == 0
    for host in ("first", "second", "third"):
        assert matinee.load(remote(host), public_key=keys[0]).version == before.version
    assert "differs" not in caplog.text
    found = in_a_bucket.folders.find("releases", "v0001")
    assert found.commit is not None
    assert (len(found.files), found.unnamed) == (len(found.commit.files), []), (
        "the unsigned files are removed"
    )


def test_a_process_of_the_same_host_that_fetches_meanwhile_removes_no_signature(
    in_a_bucket: Remote, remote: Address, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    push = RemoteFolders.push

    def push_late(folders: RemoteFolders, kind: str, name: str, **how: Any) -> bool:
        Remote(in_a_bucket.root, in_a_bucket.objects).fetch(kind, name)
        return push(folders, kind, name, **how)

    monkeypatch.setattr(RemoteFolders, "push", push_late)
    assert main(["sign", "v0001", "--store", remote("first")]) == 0
    assert matinee.load(remote("second"), public_key=keys[0]).version == "v0001"


def test_a_release_that_another_host_replaces_meanwhile_is_not_signed(
    in_a_bucket: Remote, remote: Address, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def sign_late(folder: Path, **how: Any) -> None:
        in_a_bucket.folders.replace(in_a_bucket.folders.find("releases", "v0001"))  # as `forget` does
        sign(folder, **how)

    monkeypatch.setattr(remote_sign, "sign", sign_late)
    assert main(["sign", "v0001", "--store", remote("second")]) == 1
    assert "was changed by another process" in capsys.readouterr().err
    found = in_a_bucket.folders.find("releases", "v0001")
    assert found.commit is not None
    assert "manifest.json.minisig" not in found.commit.files
