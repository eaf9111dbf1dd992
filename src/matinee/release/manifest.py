"""The manifest of a release: its schema, and how it is read.

It is read before any other file of a release. So no name in it leads out of the folder, and no content of it stops a
list of releases. Manifests of other versions of matinee load too: unknown keys are kept.
"""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    AfterValidator,
    Field,
    FiniteFloat,
    JsonValue,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
    ValidationError,
    ValidationInfo,
)

from matinee.errors import ReleaseError, StoreError
from matinee.errors.text import shown
from matinee.formats.base import Format
from matinee.formats.decision import Verdict
from matinee.formats.manifests import HashCutoffs, IdKinds, ModelName
from matinee.release.folder import Folder, open_folder, read_file
from matinee.release.plays import PLAYS_MODEL
from matinee.store.documents import MANIFEST, Digest, Document, describe, parse
from matinee.store.versions import Version, is_version

SCHEMA_VERSION: Final = 1
PLAYS_SCHEMA_VERSION: Final = 2  # of a release of plays: an earlier matinee says that a later one reads it
TEXT_SCHEMA_VERSION: Final = 3  # of a release with text ids
SIGNATURE: Final = "manifest.json.minisig"
_LARGEST: Final = 1 << 22  # maximum bytes; with a hundred different ratings, a manifest has ten thousand
_FILES: Final = 1_000
_DEPTH: Final = 4


def _check_scale(scale: list[int | float], info: ValidationInfo) -> list[int | float]:
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
Finite = int | FiniteFloat  # stays as it is: 1 is written as 1
ReleasedModelName = Literal[ModelName, "ranking"]
_Value = TypeVar("_Value")


class SplitRule(Format):
    """The settings `split` of a release; those that decide which subset a row is in are checked."""

    strategy: str | None = Field(None, description="`split.strategy`.")
    seed: Annotated[int, Field(ge=0, lt=1 << 64)] | None = Field(None, description="`split.seed`.")


class CutoffsNote(HashCutoffs):
    """`matinee.split.hash_split.Cutoffs` as JSON."""

    test: dict[Rating, Hash]
    valid: dict[Rating, Hash]
    test_share: Share
    valid_share: Share


class SplitNote(Format):
    """The split that a release was trained on, and the rule by which it was drawn."""

    digest: Digest | None = Field(None, description="Digest of the split.")
    dataset: Digest | None = Field(None, description="Digest of its dataset.")
    settings: SplitRule = Field(SplitRule(), description="The settings `split`, every default spelled out.")
    counts: dict[str, NonNegativeInt] = Field({}, description="Rows by subset: train, valid, test.")
    cutoffs: CutoffsNote | None = Field(None, description="The cutoffs of a split by hash; null for others.")
    inherited: bool | None = Field(None, description="Whether the cutoffs are those of an earlier split.")


class DataNote(Format):
    """Counts that the data of later candidates is compared with."""

    rows_per_rating: dict[Rating, NonNegativeInt] = Field(description="Rows by rating.")
    drifts: list[dict[str, FiniteFloat]] = Field(
        description="Drift of this dataset and of earlier ones, oldest first."
    )


class DecisionNote(Format):
    """What the gate decided."""

    reason: str = Field("", description="Why, in one line.")
    champion: Version | None = Field(None, description="The release it was compared with.")


class TrainingNote(Format):
    """How the tested weights were fitted."""

    device: str | None = Field(None, description="Where: cpu or cuda.")
    epochs_run: int | None = Field(None, description="Epochs, or sweeps of all chains.")
    best_epoch: int | None = Field(None, description="Epoch whose weights were kept.")
    valid_rmse: FiniteFloat | None = Field(None, description="RMSE on the valid rows at that epoch.")
    seconds_train: FiniteFloat | None = Field(None, description="Seconds of the fit.")
    seconds_rank: FiniteFloat | None = Field(None, description="The same of the ranking model of plays.")


class ReleaseManifest(Format):
    """manifest.json of a release. `manifest["model"]` is what the file says under a key; unknown keys are kept."""

    version: Version = Field(description="Name of the release.")
    schema_version: PositiveInt = Field(description="Version of this format.")
    digest: Digest | None = Field(None, description="Digest of what the weights were made from.")
    created: Moment | None = Field(None, description="When it was published.")
    model: ReleasedModelName = Field(description="`model.name`; `ranking` in a release of plays.")
    feedback: Literal["explicit", "implicit"] = Field("explicit", description="`ingest.feedback`.")
    ids: IdKinds = Field({}, description="The kind of the ids of users and of movies; empty: integers.")
    scale: Annotated[list[Finite], Field(min_length=2, max_length=2), AfterValidator(_check_scale)] = Field(
        description="Lowest and highest rating of the scale."
    )
    metrics: dict[str, Finite | str | None] = Field({}, description="The flat figures of metrics.json.")
    decision: DecisionNote = Field(DecisionNote(), description="What the gate decided.")
    judged_against: Version | None = Field(None, description="The champion that it was compared with.")
    judged_anchor: Version | None = Field(None, description="The anchor that it was compared with.")
    data: DataNote | None = Field(None, description="Counts of the dataset, for later candidates.")
    refit: Verdict | None = Field(None, description="The check of the refit; null without a refit.")
    candidate: Digest | None = Field(None, description="Digest of the candidate with the tested weights.")
    shipped: Digest | None = Field(None, description="Digest of the candidate with the published weights.")
    ranking: Digest | None = Field(
        None, description="Digest of the tested ranking model; absent without one."
    )
    shipped_ranking: Digest | None = Field(None, description="Digest of the published ranking model.")
    evaluation: Digest | None = Field(None, description="Digest of the evaluation.")
    dataset: Digest | None = Field(None, description="Digest of the dataset.")
    split: SplitNote | None = Field(None, description="The split, and the rule by which it was drawn.")
    training: TrainingNote = Field(TrainingNote(), description="How the tested weights were fitted.")
    rows_fitted: NonNegativeInt | None = Field(
        None, description="Rows that the published weights were fitted on."
    )
    versions: dict[str, str] = Field({}, description="Versions of the libraries that made it.")
    files: Annotated[dict[FileName, Sha256], Field(max_length=_FILES)] = Field(
        description="The sha256 of each other file, by its path."
    )
    forgotten: NonNegativeInt = Field(
        0, description="Users erased by `matinee forget` since it was published."
    )

    def __getitem__(self, key: str) -> Any:
        """The JSON value of a key; raises ReleaseError if the file has no such key."""
        if key not in self:
            raise ReleaseError(
                f"The manifest of {self.version} has no {key!r}. It has: {', '.join(self.keys())}."
            )
        return self.model_dump(mode="json")[key]

    def __contains__(self, key: object) -> bool:
        return key in self.model_fields_set

    def keys(self) -> list[str]:
        """The keys of the file."""
        return list(self.model_dump(mode="json"))

    def get(self, key: str, default: JsonValue = None) -> Any:
        """The JSON value of a key, or the default if the file has no such key."""
        return self.model_dump(mode="json").get(key, default)

    def need(self, value: _Value | None, key: str) -> _Value:
        """A value that a later candidate is compared by.

        Raises ReleaseError if it is missing; releases that matinee has published have it.
        """
        if value is None:
            raise ReleaseError(
                f"The manifest of {self.version} lacks {key}. The release can be used, but no candidate can be "
                "compared with it. Promote a release that matinee published."
            )
        return value

    @property
    def published_split(self) -> SplitNote:
        """The split; raises ReleaseError if it is missing."""
        return self.need(self.split, "split")

    def figure(self, name: str) -> float:
        """A flat figure of metrics.json; raises ReleaseError if it is missing."""
        value = self.metrics.get(name)
        return self.need(value if isinstance(value, int | float) else None, f"metrics.{name}")


def read_manifest(folder: Path) -> ReleaseManifest:
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
            raise ReleaseError(
                f"{shown(folder.path)} is not a release: it has no {MANIFEST}. Give the folder of a release, such as "
                "STORE/releases/v0001; `champion.json` in a store names the release in use."
            ) from None
        raise


def parse_manifest(folder: Path, data: bytes) -> ReleaseManifest:
    """Parse the bytes of the manifest in a folder.

    A folder in a store's `releases` must have the name of its version. Raises ReleaseError.
    """
    path = folder / MANIFEST
    manifest = _check(path, parse_object(data, path))
    place = folder.absolute()
    if place.parent.name == "releases" and is_version(place.name) and manifest.version != place.name:
        raise ReleaseError(
            f"{path} belongs to another release, {manifest.version}. Restore the folder from a backup, or remove it "
            "if it is not the champion's."
        )
    return manifest


def parse_object(data: bytes, path: Path) -> Document:
    """Parse a JSON file of a release that holds an object. Raises ReleaseError for any other content."""
    try:
        return parse(data, path)
    except StoreError as error:
        raise ReleaseError(str(error)) from None


def _check(path: Path, found: Document) -> ReleaseManifest:
    fields = ReleaseManifest.model_fields
    if missing := {name for name, field in fields.items() if field.is_required()} - found.keys():
        raise ReleaseError(
            f"{path} lacks {', '.join(sorted(missing))}, so it is not the manifest of a release."
        )
    try:
        return ReleaseManifest.model_validate(found)
    except ValidationError as error:
        check_schema_version(path.parent, found["schema_version"])
        raise ReleaseError(
            f"{path} is not a release's manifest: {shown(describe(error))}. Restore it from a backup, or "
            "remove the folder if it is not the champion's."
        ) from None


def check_schema_version(folder: Path, found: JsonValue) -> None:
    """Raise ReleaseError for a release of a later version of matinee."""
    if type(found) is int and found > TEXT_SCHEMA_VERSION:
        raise ReleaseError(
            f"The release {folder} has schema version {shown(found)}; this Matinee reads up to {TEXT_SCHEMA_VERSION}. "
            "Install a later Matinee."
        )
