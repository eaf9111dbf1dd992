"""Credentials of an object store as a parameter of flows: the name of a block of Prefect, never the credentials.

They are set as variables of the environment of the run's process, where the library of the object store looks for them.
"""

import json
import os
from collections.abc import Mapping
from typing import Any, Final

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.store.remote.remote import reconnect

_PREFIXES: Final = ("AWS_", "GOOGLE_", "AZURE_")
_SECRET, _AWS = "secret", "aws-credentials"
# The fields of Prefect's AWS Credentials block, and the variables that hold the same.
_OF_AWS: Final = {
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "aws_session_token": "AWS_SESSION_TOKEN",
    "region_name": "AWS_REGION",
}


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
    os.environ.update(_aws_variables(data) if kind == _AWS else _secret_variables(data, block))
    reconnect()


def _aws_variables(data: Mapping[str, Any]) -> dict[str, str]:
    found = {variable: str(data[field]) for field, variable in _OF_AWS.items() if data.get(field)}
    endpoint = (data.get("aws_client_parameters") or {}).get("endpoint_url")
    return {**found, **({"AWS_ENDPOINT_URL": str(endpoint)} if endpoint else {})}


def _secret_variables(data: Mapping[str, Any], block: str) -> dict[str, str]:
    value = data.get("value")
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if not isinstance(value, dict) or not value or not all(isinstance(each, str) for each in value.values()):
        raise ConfigError(
            f"The block {shown(block, 80)!r} does not hold the credentials of an object store. Expected a JSON object "
            'of texts, such as {"AWS_ACCESS_KEY_ID": "...", "AWS_SECRET_ACCESS_KEY": "..."}.'
        )
    if other := [name for name in value if not name.startswith(_PREFIXES)]:
        raise ConfigError(
            f"The block {shown(block, 80)!r} has the variable {shown(other[0], 80)}. Expected only names that begin "
            f"with {', '.join(_PREFIXES)}."
        )
    return value
