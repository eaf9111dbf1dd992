"""Databases as parameters of flows: no parameter has a password, which is in the worker's environment or in a block."""

from typing import Annotated

from prefect.blocks.system import Secret
from pydantic import Field

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.store.database_address import NO_PASSWORD, is_address, refuse_passwords, remember_password

# A server refuses a run whose parameters have a password, before it stores them.
QueryableSource = Annotated[str, Field(json_schema_extra={"pattern": NO_PASSWORD})]


def check_queries(queries: list[str]) -> None:
    """Raise ConfigError for a query that is not the address of a database, or has a password."""
    refuse_passwords(queries)
    for query in queries:
        if not is_address(query):
            raise ConfigError(
                f"The parameter `queries` has {shown(query, 80)}, which is not the address of a database. Expected "
                "postgresql://USER@HOST/DATABASE?query=select ...; put files into the drop folder."
            )


def load_password(block: str | None, sources: list[str]) -> None:
    """Read the password of the PostgreSQL addresses from a Secret block; it stays in the memory of this process.

    Raises ConfigError if Prefect has no such block, if it holds no text, or if the addresses name several logins.
    """
    if block is None:
        return
    try:
        password = Secret.load(block).get()  # type: ignore[union-attr] # a flow that is not async gets the block itself
    except ValueError:
        password = None
    if not isinstance(password, str) or not password:
        raise ConfigError(
            f"Prefect has no Secret block '{shown(block, 80)}' with a text. Create it in the UI under Blocks, or leave "
            "out password_block and set PGPASSWORD for the worker."
        )
    remember_password(filter(is_address, sources), password)
