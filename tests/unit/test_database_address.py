"""Addresses of databases are read, shown and stored without a password."""

from pathlib import Path
from urllib.parse import quote

import pytest

from matinee.errors import ConfigError
from matinee.ingest.databases.rows import said
from matinee.store.database_address import (
    DatabaseAddress,
    absolute_source,
    name_of,
    parse_address,
    place_of,
    refuse_passwords,
    remember_password,
)

PASSWORD = "pass/word@:%41 and more"
LOGIN = f"matinee:{quote(PASSWORD, safe='')}"


def test_an_address_is_shown_and_stored_without_password() -> None:
    query = "select *\nfrom  t where a = 'b?c&d=%41'"
    text = f"postgres://{LOGIN}@db.example.org:5433/shop?sslmode=require&query= {query} "
    address = parse_address(text)
    options = (("sslmode", "require"),)
    assert address == DatabaseAddress("postgresql", "matinee", "db.example.org:5433", "shop", options, query)
    assert address.password == PASSWORD
    assert parse_address(address.text) == address
    assert (
        address.shown
        == "postgresql://matinee@db.example.org:5433/shop?query=select * from t where a = 'b?c&d=%41'"
    )
    assert name_of(Path(address.file_name)) == place_of(Path("work") / address.file_name) == address.shown
    assert "pass" not in repr(address) + address.text
    encoded = parse_address("sqlite:///a.db?query=select+user_id%2C+1%2B1%0Afrom+t")
    assert encoded.query == "select user_id, 1+1\nfrom t"
    assert absolute_source(encoded.text) == f"sqlite:///{Path.cwd()}/a.db?query={encoded.query}"
    assert len(parse_address(f"sqlite:///{'/é' * 400}?query=select 1").file_name.encode()) <= 255


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ann:se/cret@db/shop?query=select 1",
        "postgresql://ann:12/cret@db/shop?query=select 1",
        "postgresql://ann:se cret@db/shop",
        "postgresql:/ann:secret@db/shop?query=select 1",
        "postgresql://ann:secret@db/shop?query=",
        "postgresql://ann@db/shop?sslpassword=cret&query=select 1",
    ],
)
def test_an_address_that_is_not_readable_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ConfigError, match=r"[Aa]ddress|query") as caught:
        parse_address(text)
    assert "cret" not in str(caught.value)


def test_a_flow_refuses_a_password_in_its_parameters() -> None:
    refuse_passwords(["a.csv", "postgresql://ann@db/shop?query=select 1"])
    with pytest.raises(ConfigError, match=r"Prefect stores them.*PGPASSWORD") as caught:
        refuse_passwords(["postgresql://ann:secret@db/shop?query=select 1"])
    assert "secret" not in str(caught.value)


def test_a_password_of_a_block_is_given_to_one_login_and_replaces_an_earlier_one() -> None:
    shop, log = ("postgresql://ann@db-1/" + name + "?query=select 1" for name in ("shop", "log"))
    for secret in ("of yesterday", "of today"):
        remember_password([shop, log, "sqlite:///a.db?query=select 1"], secret)
        assert parse_address(shop).password == parse_address(log).password == secret
    assert parse_address("sqlite:///a.db?query=select 1").password is None
    for other in (
        "postgresql://ann@db-2/shop?query=select 1",
        "postgresql://bob@db-1/shop?query=select 1",
        "postgresql://ann@db-1/shop?host=evil.example.org&query=select 1",
        "postgresql://ann@db-1/shop?port=1&query=select 1",
    ):
        with pytest.raises(ConfigError, match="for one login, and the addresses name 2") as caught:
            remember_password([shop, other], "of tomorrow")
        assert "tomorrow" not in str(caught.value)
        assert parse_address(shop).password == "of today"
        assert parse_address(other).password is None


def test_what_a_database_says_has_no_spelling_of_the_password() -> None:
    address = parse_address(f"postgresql://{LOGIN}@db/shop?query=select 1")
    for secret in (PASSWORD, quote(PASSWORD, safe="")):
        text = said(ValueError(f"[libpq] invalid URI: matinee {secret} db"), address)
        assert text == "invalid URI: matinee *** db"
