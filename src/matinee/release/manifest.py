"""The manifest of a release: its schema, and how it is read.

It is read before any other file of a release. So no name in it leads out of the folder, and no content of it stops a
list of releases. Manifests of other versions of matinee load too: unknown keys are kept.
"""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
    ValidationError,
    ValidationInfo,
)

from matinee.errors import ReleaseError, StoreError
from matinee.errors.text import shown
from matinee.release.folder import Folder, open_folder, read_file
from matinee.release.plays import PLAYS_MODEL
from matinee.store.documents import MANIFEST, Digest, describe, parse
from matinee.store.versions import Version, is_version

SCHEMA_VERSION: Final = 1
PLAYS_SCHEMA_VERSION: Final = 2  # of a release of plays: an earlier matinee says that a later one reads it
SIGNATURE: Final = "manifest.json.minisig"
_LARGEST: Final = 1 << 22  # maximum bytes; with a hundred different ratings, a manifest has ten thousand
_FILES: Final = 1_000
_DEPTH: Final = 4


def _check_scale(scale: list[float], info: ValidationInfo) -> list[float]:
    plays = info.data.get("model") == PLAYS_MODEL
    if plays != (info.data.get("feedback") == "implicit"):
        raise ValueError("a model that predicts ratings and feedback without ratings do not go together")
    if not (scale[0] == scale[1] if plays else scale[0] < scale[1]):
        raise ValueError("the lower end is not below the upper one")
    return scale


def _check_file(name: str) -> str:
    parts = name.split("/")
    if name in (MANIFEST, SIGNATURE):
        raise ValueError("a manifest can't list itself or its signature")
    if len(parts) > _DEPTH or any(not _is_plain_part(part) for part in parts):
        raise ValueError("a file is listed by a plain name, relative to the release's folder")
    return name


def _is_plain_part(part: str) -> bool:
    return (
        part not in ("", ".", "..") and part.isprintable() and "\\" not in part and len(part.encode()) <= 255
    )


FileName = Annotated[str, AfterValidator(_check_file)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Moment = Annotated[str, StringConstraints(pattern=r"^[0-9T:.+Z-]{1,40}$")]
Rating = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,9}(\.[0-9]{1,9})?$")]
Hash = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{1,16}$")]  # of 64 bits
Share = Annotated[float, Field(ge=0, lt=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="allow", protected_namespaces=())


class SplitRule(_Part):
    """The settings of a split that decide which subset a row is in."""

    strategy: str | None = None
    seed: Annotated[int, Field(ge=0, lt=1 << 64)] | None = None


class CutoffsNote(_Part):
    """`matinee.split.hash_split.Cutoffs` as JSON."""

    test: dict[Rating, Hash]
    valid: dict[Rating, Hash]
    test_share: Share
    valid_share: Share


class SplitNote(_Part):
    """The split that a release was trained on, and the rule by which it was drawn."""

    digest: Digest | None = None
    dataset: Digest | None = None
    settings: SplitRule = SplitRule()
    cutoffs: CutoffsNote | None = None
    inherited: bool = False


class DataNote(_Part):
    """Counts that the data of later candidates is compared with."""

    rows_per_rating: dict[Rating, NonNegativeInt]
    drifts: list[dict[str, FiniteFloat]]


class Manifest(_Part):
    """The required keys of every manifest, and the types of optional keys."""

    version: Version
    schema_version: PositiveInt
    model: Literal["dot", "linear", "mlp", "neumf", "ranking"]
    feedback: Literal["explicit", "implicit"] = "explicit"
    scale: Annotated[list[FiniteFloat], Field(min_length=2, max_length=2), AfterValidator(_check_scale)]
    files: Annotated[dict[FileName, Sha256], Field(max_length=_FILES)]
    created: Moment | None = None
    digest: Digest | None = None
    metrics: dict[str, FiniteFloat | str | None] = {}
    candidate: Digest | None = None
    shipped: Digest | None = None
    evaluation: Digest | None = None
    dataset: Digest | None = None
    split: SplitNote | None = None
    data: DataNote | None = None
    judged_against: Version | None = None
    judged_anchor: Version | None = None
    forgotten: NonNegativeInt = 0


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a release, and no other file.

    Raises ReleaseError if it is absent, damaged, or not the manifest of a release.
    """
    with open_folder(folder) as opened:
        return parse_manifest(folder, read_manifest_bytes(opened))


def read_manifest_bytes(folder: Folder) -> bytes:
    """The bytes of the manifest in a folder.

    Raises ReleaseError if it is absent or can't be read.
    """
    try:
        return read_file(folder, MANIFEST, limit=_LARGEST)
    except ReleaseError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise ReleaseError(f"{shown(folder.path)} is not a release: it has no {MANIFEST}.") from None
        raise


def parse_manifest(folder: Path, data: bytes) -> dict[str, Any]:
    """Parse the bytes of the manifest in a folder.

    A folder in a store's `releases` must have the name of its version. Raises ReleaseError.
    """
    path = folder / MANIFEST
    manifest = parse_object(data, path)
    _check(path, manifest)
    place = folder.absolute()
    if place.parent.name == "releases" and is_version(place.name) and manifest["version"] != place.name:
        raise ReleaseError(
            f"{path} belongs to another release, {manifest['version']}. Restore the folder from a backup, or remove it "
            "unless it is that of the champion."
        )
    return manifest


def parse_object(data: bytes, path: Path) -> dict[str, Any]:
    """Parse a JSON file of a release that holds an object. Raises ReleaseError for any other content."""
    try:
        return parse(data, path)
    except StoreError as error:
        raise ReleaseError(str(error)) from None


def need(manifest: dict[str, Any], *names: str) -> Any:
    """The value of a key, or of nested keys, in a manifest.

    Raises ReleaseError if it is missing; releases that matinee has published have it.
    """
    value: Any = manifest
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
        if value is None:
            raise ReleaseError(
                f"The manifest of {manifest['version']} lacks {'.'.join(names)}. The release can be used, but no "
                "candidate can be compared with it. Promote a release that matinee published."
            )
    return value


def _check(path: Path, manifest: dict[str, Any]) -> None:
    missing = {name for name, field in Manifest.model_fields.items() if field.is_required()} - manifest.keys()
    if missing:
        raise ReleaseError(
            f"{path} lacks {', '.join(sorted(missing))}, so it is not the manifest of a release."
        )
    try:
        Manifest.model_validate(manifest)
    except ValidationError as error:
        check_schema_version(path.parent, manifest)
        raise ReleaseError(
            f"{path} is not a release's manifest: {shown(describe(error))}. Restore it from a backup, or "
            "remove the folder unless it is that of the champion."
        ) from None


def check_schema_version(folder: Path, manifest: dict[str, Any]) -> None:
    """Raise ReleaseError for a release of a later version of matinee."""
    found = manifest["schema_version"]
    if type(found) is int and found > PLAYS_SCHEMA_VERSION:
        raise ReleaseError(
            f"The release {folder} has schema version {shown(found)}; this matinee reads up to {PLAYS_SCHEMA_VERSION}. "
            "Install a later matinee."
        )
