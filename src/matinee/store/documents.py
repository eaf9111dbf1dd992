"""Read the JSON files of a store with a check of their content, and errors with advice that fits the file.

A file in the folder of a step is compared with its checksum in the manifest, which also has a checksum of itself. The
files at the root of a store have no checksums. They are checked against a model each.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, Field, JsonValue, StringConstraints, ValidationError

from matinee.errors import StoreError
from matinee.formats.base import Format
from matinee.store.digests import bytes_digest, digest_of
from matinee.store.files import NotPlainError, open_plain
from matinee.store.versions import Version

MANIFEST = "manifest.json"
POINTER, LOG = "champion.json", "log.jsonl"
FORGOTTEN, SERIES, DONE = "forgotten.json", "progressive.json", "nightly.json"
TUNED = "tuned.json"
# The kinds of folders that steps write, each after its inputs. `work` holds the checkpoints of unfinished trainings.
KINDS = ("partitions", "datasets", "encodings", "splits", "candidates", "rankings", "outlooks", "evaluations")
WORK = "work"
TUNINGS, TRIALS = "tunings", "study.db"  # searches for settings, and the database of one
CHECKSUM = "checksum"  # the key of a manifest's own digest; manifests of earlier versions have none
_Model = TypeVar("_Model", bound=BaseModel)


def check_time(text: str) -> str:
    """Return a time in ISO 8601 unchanged; raise ValueError for anything else."""
    datetime.fromisoformat(text).timestamp()  # raises ValueError for a time out of range
    return text


Digest = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,100}$")]
Time = Annotated[str, AfterValidator(check_time)]


class Pointer(Format):
    """champion.json: the release in use."""

    version: Version
    before: Version | None = None
    since: str | None = None
    reason: str = ""
    anchor: Version | None = None


class PointInterval(Format):
    """The uncertainty of a point."""

    value: float = Field(0.0, description="The RMSE.")
    standard_error: float = Field(description="Its standard error, clustered by user and by movie.")
    low: float = Field(0.0, description="Lower end of its 95% interval.")
    high: float = Field(0.0, description="Upper end of it.")


class Point(Format):
    """One point of progressive.json: a champion measured on the ratings that came after its own dataset."""

    at: Time = Field(description="When it was measured.")
    release: Version = Field(description="The champion.")
    dataset: Digest = Field(description="Digest of the dataset that has the newer ratings.")
    rows: int = Field(description="Ratings whose pair the champion's dataset does not have.")
    first_date: str | None = Field(None, description="Earliest day of these ratings; null without dates.")
    last_date: str | None = Field(description="Latest day of them.")
    rows_of_unknown_users: int = Field(0, description="Ratings by users that the champion does not know.")
    rows_of_unknown_movies: int = Field(0, description="Ratings of movies that it does not know.")
    rmse: float = Field(description="RMSE of the champion on these ratings.")
    mae: float = Field(description="Its mean absolute error.")
    interval: PointInterval = Field(description="The RMSE with its 95% interval.")
    bias_only_rmse: float | None = Field(description="RMSE of bias-only; null where its split is gone.")
    global_mean_rmse: float = Field(0.0, description="RMSE of the mean of the champion's ratings.")
    test_rmse: float = Field(description="What its own test rows promised.")


class Series(Format):
    """progressive.json."""

    points: list[Point]


class Mark(Format):
    """nightly.json: the files and settings of the last finished run."""

    mark: str | None


class Tuned(Format):
    """tuned.json: the settings that nightly runs use, as a search found them and the gate passed them."""

    at: Time = Field(description="When the last search ended.")
    base: Digest = Field(
        description="Digest of the settings of the deployment. With others, this file has no effect."
    )
    settings: dict[str, int | float] = Field(description="The settings that replace those of the deployment.")
    study: Digest = Field(description="The last search, in `tunings/`.")


class ForgottenList(Format):
    """forgotten.json: a key of at least one byte and the hashes of ids, with a digest of both."""

    key: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}){1,64}$")]
    hashes: list[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]]
    checksum: str | None = Field(default=None)  # lists of earlier versions have none

    def digest(self) -> str:
        """The right value of `checksum`."""
        return digest_of(key=self.key, hashes=sorted(self.hashes))


_ADVICE = {
    FORGOTTEN: "Without this file, rows of forgotten users would be read again. "
    "Restore it from a backup of the store; until then no ratings are read.",
    SERIES: "Restore it from a backup of the store. Without a backup, move this file elsewhere: "
    "the next run starts a new series, and nothing else needs the file.",
    TUNED: "Without it, nightly runs use the settings of their deployment. Remove the file; the next search writes "
    "another one.",
    DONE: "Nothing needs to be done; the next nightly run writes it again.",
    POINTER: "`matinee promote` with the release to use writes the file again.",
    LOG: "Restore it from a backup of the store.",
}


def advice(path: Path) -> str:
    """What to do about a damaged file; it depends on what can write the file again."""
    if path.name in _ADVICE:
        return _ADVICE[path.name]
    if path.parent.parent.name == "releases":
        return "Restore the release from a backup, or roll back to another one."
    return (
        f"Move the folder {path.parent} elsewhere. `matinee retrain` with the same files and settings computes it "
        "again; a backup may have it too."
    )


class Document(dict[str, JsonValue]):
    """A JSON object that names its file when a key is asked for that it lacks."""

    def __init__(self, values: Mapping[str, JsonValue], path: Path | None = None) -> None:
        super().__init__(values)
        self.path = path or Path("A file of the store")

    def __missing__(self, key: str) -> JsonValue:
        raise StoreError(f"{self.path} lacks {key!r}. {advice(self.path)}")


def read_json(path: Path) -> Document:
    """The object in a JSON file of the store; as it was written, where a manifest says how that was.

    Raises StoreError when the file is absent or damaged.
    """
    data = read_bytes(path)
    document = parse(data, path)
    if path.name == MANIFEST:
        _check_manifest(document, path)
    elif (recorded := _recorded_checksum(path)) is not None and bytes_digest(data) != recorded:
        raise StoreError(f"{path} was changed after it was written. {advice(path)}")
    return document


def read_as(path: Path, model: type[_Model]) -> _Model:
    """A JSON file of the store as its model.

    Raises StoreError when the file is absent or damaged.
    """
    document = read_json(path)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise StoreError(f"{path} is damaged: {_first(error)}. {advice(path)}") from None


def read_if_there(path: Path, model: type[_Model]) -> _Model | None:
    """A JSON file of the store as its model; None if it is not there."""
    return read_as(path, model) if path.is_file() else None


def read_bytes(path: Path) -> bytes:
    """The bytes of a plain file of the store.

    Raises StoreError if it is absent, not a plain file, or can't be read.
    """
    try:
        with open_plain(path) as file:
            return file.read()
    except NotPlainError:
        raise StoreError(f"{path} is not a plain file, so it was not read. {advice(path)}") from None
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(f"{path} is missing. {advice(path)}") from None
    except OSError as error:
        raise StoreError(
            f"{path} could not be read: {error.strerror}. Check the disk and the permissions of the file, which may be "
            "undamaged."
        ) from error


def parse(data: bytes, path: Path) -> Document:
    """Parse a JSON file that holds an object.

    Raises StoreError if it does not.
    """
    try:
        document = json.loads(
            data.decode("utf-8"), object_hook=lambda values: Document(values, path), parse_constant=_refuse
        )
        if b"\\u" in data:
            json.dumps(
                document, ensure_ascii=False
            ).encode()  # half of a surrogate pair can't be written or printed
    except (ValueError, RecursionError) as error:
        fault = "it is empty" if not data else describe(error)
        raise StoreError(f"{path} is damaged: {fault}. {advice(path)}") from None
    if not isinstance(document, Document):
        raise StoreError(f"{path} is damaged: it is not a JSON object. {advice(path)}")
    return document


def describe(error: Exception) -> str:
    """Why a text is not valid, in a few words."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeEncodeError):
        return "it has half of a surrogate pair"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start:,} is not UTF-8"
    if isinstance(error, ValidationError):
        return _first(error)
    if str(error).startswith("Unexpected UTF-8 BOM"):
        return "it starts with a byte order mark, which JSON does not allow"
    return f"it is not JSON ({error!s:.80})"


def with_checksum(manifest: Mapping[str, JsonValue]) -> Document:
    """A manifest with the digest of its content."""
    content = Document(json.loads(json.dumps(manifest, allow_nan=False)))  # as it is read: keys are texts
    content[CHECKSUM] = _checksum(content)
    return content


def is_as_written(manifest: Mapping[str, JsonValue]) -> bool:
    """Whether a manifest matches its checksum; manifests of earlier versions have none and count as unchanged."""
    try:
        return CHECKSUM not in manifest or manifest[CHECKSUM] == _checksum(manifest)
    except RecursionError:
        return False


def _checksum(manifest: Mapping[str, JsonValue]) -> str:
    # `said` is part of the digest, so it stays as it is.
    return digest_of(said={key: value for key, value in manifest.items() if key != CHECKSUM})


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


def _check_manifest(manifest: Document, path: Path) -> None:
    if not is_as_written(manifest):
        raise StoreError(f"{path} was changed after it was written. {advice(path)}")
    kind, name = path.parts[-3:-1] if len(path.parts) > 2 else ("", "")
    if (
        kind in KINDS
        and "." not in name
        and (manifest.get("kind"), manifest.get("digest"))
        != (
            kind,
            name,
        )
    ):
        raise StoreError(f"{path} is damaged: it is not the manifest of that folder. {advice(path)}")


def _recorded_checksum(path: Path) -> str | None:
    """The checksum of a file in the manifest of its folder; None if the manifest has none."""
    manifest = path.with_name(MANIFEST)
    if not manifest.is_file():
        return None
    files = read_json(manifest).get("seal")
    recorded = files.get(path.name) if isinstance(files, dict) else None
    return recorded if isinstance(recorded, str) else None


def _first(error: ValidationError) -> str:
    """The first fault that a model found, without the value, which may be anything."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    return f"{place:.80}: {fault['msg']:.120}" if place else f"{fault['msg']:.120}"
