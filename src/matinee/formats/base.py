"""What all JSON files of a store have in common as models: what is read is kept, and what was set is written."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SerializerFunctionWrapHandler, model_serializer

Number = int | float  # stays as it is: 1 is written as 1
Scale = Annotated[list[Number], Field(min_length=2, max_length=2)]


class Format(BaseModel):
    """A JSON object; keys that another version has are kept, and values are taken as they stand.

    A new field has a default, because older files lack it.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, protected_namespaces=())

    @model_serializer(mode="wrap")
    def _write_what_was_set(self, write: SerializerFunctionWrapHandler) -> dict[str, JsonValue]:
        return {name: value for name, value in write(self).items() if name in self.model_fields_set}


class Manifest(Format):
    """manifest.json of a step's folder: the store adds these fields to what the step says."""

    KIND: ClassVar[str] = ""

    kind: str = Field("", description="The step's folder in the store.")
    digest: str = Field("", description="Name of this folder: the digest of all it was made from.")
    schema_version: int = Field(1, description="Version of this format.")
    seconds: float = Field(0.0, description="Seconds that it took to make the folder.")
    peak_bytes: int = Field(
        0, description="Largest memory of the process until then, in bytes; 0 in folders of earlier versions."
    )
    seal: dict[str, str] = Field({}, description="Digest of each other file of the folder, by its path.")
    checksum: str | None = Field(None, description="Digest of this manifest without this field.")
