"""Credentials of an object store as a parameter of flows: the name of a block of Prefect, never the credentials.

They are set as variables of the environment of the run's process, where the library of the object store looks for them.
"""

import os
from typing import Final

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from pydantic import BaseModel, Field, Json, ValidationError

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.store.remote.remote import reconnect

_PREFIXES: Final = ("AWS_", "GOOGLE_", "AZURE_")
_SECRET, _AWS = "secret", "aws-credentials"


class _Client(BaseModel):
    """The part of Prefect's AWS Credentials block that names the server."""

    endpoint_url: str | None = Field(None, serialization_alias="AWS_ENDPOINT_URL")


class _AwsCredentials(BaseModel):
    """Prefect's AWS Credentials block, with the variables that hold the same."""

    aws_access_key_id: str = Field(serialization_alias="AWS_ACCESS_KEY_ID")
    aws_secret_access_key: str = Field(serialization_alias="AWS_SECRET_ACCESS_KEY")
    aws_session_token: str | None = Field(None, serialization_alias="AWS_SESSION_TOKEN")
    region_name: str | None = Field(None, serialization_alias="AWS_REGION")
    aws_client_parameters: _Client = Field(_Client(), exclude=True)


class _Secret(BaseModel):
    """A Secret block with variables of the environment, as JSON or as a text of it."""

    value: dict[str, str] | Json[dict[str, str]] = Field(min_length=1)


def load_credentials(block: str | None) -> None:
    """Set the credentials that a block holds in the environment of this process.

    Args:
        block: TYPE/NAME of the block: `aws-credentials/NAME`, or `secret/NAME` with a JSON object of variables such as
            AWS_ACCESS_KEY_ID. With None, the environment stays as it is.

    Raises:
        ConfigError: Prefect has no such block, or it holds something else.
    """
    if block is None:
        return
    kind, _, name = block.partition("/")
    if kind not in (_SECRET, _AWS) or not name:
        raise ConfigError(
            f"credentials_block is {shown(block, 80)!r}; expected {_SECRET}/NAME or {_AWS}/NAME, a block of Prefect."
        )
    try:
        with get_client(sync_client=True) as client:
            data = client.read_block_document_by_name(name, kind, include_secrets=True).data
    except ObjectNotFound:
        raise ConfigError(
            f"Prefect has no block {shown(block, 80)!r}. Create it in the UI under Blocks, or leave out "
            "credentials_block and set the variables for the worker."
        ) from None
    found = _variables(kind, data, block)
    if "AWS_ACCESS_KEY_ID" in found:
        os.environ.pop("AWS_SESSION_TOKEN", None)  # of other keys
    os.environ.update(found)
    reconnect()


def _variables(kind: str, data: object, block: str) -> dict[str, str]:
    """The variables that a block stands for. Raises ConfigError, without a value of the block."""
    try:
        if kind == _AWS:
            found = _AwsCredentials.model_validate(data)
            parts = (found, found.aws_client_parameters)
            return {
                name: value
                for part in parts
                for name, value in part.model_dump(by_alias=True, exclude_none=True).items()
            }
        value = _Secret.model_validate(data).value
    except ValidationError:
        raise ConfigError(
            f"The block {shown(block, 80)!r} does not hold the credentials of an object store. Expected a JSON object "
            'of texts, such as {"AWS_ACCESS_KEY_ID": "...", "AWS_SECRET_ACCESS_KEY": "..."}.'
        ) from None
    if other := [name for name in value if not name.startswith(_PREFIXES)]:
        raise ConfigError(
            f"The block {shown(block, 80)!r} has the variable {shown(other[0], 80)}. Expected only names that begin "
            f"with {', '.join(_PREFIXES)}."
        )
    return value
