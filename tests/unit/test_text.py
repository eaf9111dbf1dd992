"""Output of text: no control characters, and exact text in JSON."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.errors import DataError
from matinee.errors.log_filter import guard_log
from matinee.errors.text import json_line, shown, spreadsheet_cell

HOSTILE = [
    "\x1b]0;owned\x07",
    "\x9b31m",
    "\x7f",
    "line\nanother",
    "\rover",
    "\u202egnp.exe",
    "\u200binvisible",
    "\u2028",
    "\udcff",
    "\U000e0041",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_control_characters_are_shown_as_escapes(text: str) -> None:
    told = shown(text)
    assert told.isprintable()
    assert told.encode("utf-8")
    assert "\\" in told


@given(st.text(st.characters(codec=None), max_size=300))
def test_any_text_becomes_one_printable_line_that_can_be_encoded(text: str) -> None:
    told = shown(text)
    assert "\n" not in told
    assert all(char.isprintable() or char.isspace() for char in told)
    told.encode("utf-8")


@pytest.mark.parametrize("text", ["Amélie", "七人の侍", "non\u00a0breaking", "a\\b", "100 %", "🎬"])
def test_printable_text_is_unchanged(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (
            "jdbc:postgresql://db/shop?user=ann&password=se:c&ssl=on",
            "jdbc:postgresql://db/shop?user=ann&password=***&ssl=on",
        ),
        ("jdbc:sqlserver://db;user=ann;Password=secret", "jdbc:sqlserver://db;user=ann;Password=***"),
        ("mysql://ann:se@cret@db/shop", "mysql://ann:***@db/shop"),
    ],
)
def test_a_password_in_an_address_is_masked(text: str, masked: str) -> None:
    assert shown(text) == masked


def test_long_text_is_cut_with_its_length() -> None:
    assert shown("x" * 5000) == "x" * 200 + "… (5,000 characters)"
    assert shown("x" * 200) == "x" * 200


@given(st.dictionaries(st.text(), st.text(st.characters(codec=None))))
def test_json_has_the_exact_text_without_control_characters(value: dict[str, str]) -> None:
    line = json_line(value)
    assert json.loads(line) == value
    assert all(char.isprintable() or char.isspace() for char in line)
    assert "\n" not in line


def test_json_keeps_accents_that_can_be_encoded() -> None:
    assert json_line({"title": "Amélie"}) == '{"title": "Amélie"}'
    assert json_line({"title": "Amélie"}, "ascii") == '{"title": "Am\\u00e9lie"}'


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_a_spreadsheet_cell_never_starts_a_formula(text: str) -> None:
    assert spreadsheet_cell(text) == "'" + text


def test_other_cells_are_unchanged() -> None:
    assert [spreadsheet_cell(text) for text in ("", "7", "Jaws", "'s")] == ["", "7", "Jaws", "'s"]


def test_a_log_line_is_one_line_in_every_handler() -> None:
    logger, lines = logging.getLogger("matinee.test_text"), []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logging.root.addHandler(handler := Handler())
    guard_log()
    propagates, logging.getLogger("matinee").propagate = logging.getLogger("matinee").propagate, True
    try:
        logger.warning("%s lies there", "a\nmatinee: all is well\x1b[2K")
    finally:
        logging.root.removeHandler(handler)
        logging.getLogger("matinee").propagate = propagates
    assert lines == [r"a\nmatinee: all is well\x1b[2K lies there"]


def test_a_matinee_error_is_one_paragraph() -> None:
    error = DataError("evil\x1b]0;x\x07.csv\nis no file of ratings")
    assert str(error) == r"evil\x1b]0;x\x07.csv\nis no file of ratings"
