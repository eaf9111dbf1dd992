"""How dates are written in rating files: orders, times, and names of months."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from field_rows import EPOCH, HEADER, PLAIN, lines, make

from matinee.containers.encoding import decode_line
from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.date_forms import recognize_dates


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1125997200", "1125968400"),  # 09:00 UTC and earlier
        ("2005-09-06 23:00", "2005-09-06 09:00"),
        ("2005-09-06T10:00Z", "2005-09-06T11:00+02:00"),
        ("9/13/2005 1:00 PM", "9/13/2005 11:59"),
        ("06-SEP-05 01.30.00.000000 PM", "06-SEP-05 12.45.00.000000 AM"),
        ("2005-09-06-13.30.00", "2005-09-06-09.45.59"),
        ("2005-09-06 1:30:00 PM", "2005-09-06 11:45:00 AM"),
        ("20050906T133000Z", "20050906T133059+0200"),
    ],
)
def test_of_two_ratings_of_a_day_the_later_time_counts(first: str, second: str, tmp_path: Path) -> None:
    content = HEADER + f"1,1,5,{first}\n1,1,2,{second}\n2,1,3,\n"
    rows, manifest = make(tmp_path, content, duplicates="latest")
    assert [(row[0], row[2]) for row in rows] == [(1, 5.0), (2, 3.0)]
    assert manifest["rejects"] == {"superseded": 1}


def test_the_order_of_dates_is_found_in_later_rows(tmp_path: Path) -> None:
    early = [(u, m, r, date(2003, 2, 1)) for u, m, r, _ in PLAIN] * 40
    content = HEADER + lines("{u},{m},{r},{d:%d/%m/%Y}", [*early, (1, 1, 3, date(2003, 2, 13))])
    assert len(content) > 1 << 16
    rows, _ = make(tmp_path, content)
    assert {row[3] for row in rows} == {date(2003, 2, 1), date(2003, 2, 13)}
    rows, _ = make(tmp_path, HEADER + "1,1,3,2/1/2003\n", dates="day_first")
    assert rows[0][3] == date(2003, 1, 2)


@pytest.mark.parametrize(
    ("text", "form"), [("20030216", kernel.DIGITS), ("2003", kernel.YEAR), ("40000", kernel.SERIALS)]
)
def test_a_repeated_header_or_a_damaged_date_does_not_hide_how_dates_are_written(
    text: str, form: int
) -> None:
    assert recognize_dates([text] * 30 + ["date", "0", "unknown"], "auto") == (form, False)


def _day(raw: bytes) -> date | None:
    """The date that the parser reads, or None."""
    form, is_open = recognize_dates([decode_line(raw)], "auto")
    assert not is_open
    dates, clocks = np.zeros(1, np.int32), np.array([-len(raw)], np.int32)
    faulty, seen = np.zeros(1, np.bool_), np.zeros(kernel.COUNTED, np.int64)
    kernel.read_dates(np.frombuffer(raw + b"\n", np.uint8), form, 0, 1, dates, clocks, faulty, seen)
    return None if faulty[0] else EPOCH + timedelta(int(dates[0]))


@pytest.mark.parametrize(
    "texts",
    [
        "4. März 2003|Dienstag, 4. Maerz 2003 10:20|04. Mrz. 2003|4. MÄRZ 2003",
        "mardi 4 mars 2003|mar. 4 mars 2003|04MAR2003|04MAR2003:10:20:30",
        "martedì 4 marzo 2003|mar 4 marzo 2003|martes, 4 de marzo de 2003|dinsdag 4 maart 2003|4 de março de 2003",
    ],
)
def test_months_of_letters_are_read_in_western_languages(texts: str) -> None:
    for text in texts.split("|"):
        assert [_day(text.encode(encoding)) for encoding in ("utf-8", "cp1252")] == [date(2003, 3, 4)] * 2, (
            text
        )


TIMES = (
    *("04-MAR-03 12.30.00.000000 AM", "04-MAR-2003 10.30.00 PM +01:00", "2003-03-04-10.30.00.000000"),
    *("2003-03-04 10.30", "2003-03-04T103000Z", "2003-03-04t10:30:00z", "2003-03-04 9:30"),
    *("2003-03-04 10:30:00,123", "2003-03-04 10:30 CEST", "2003-03-04T10:30:00+01:00[Europe/Berlin]"),
    *("20030304T103000Z", "20030304 10:30", "20030304_1030"),
    *("Tue, 04 Mar 2003 00:00:00 +0000", "Tue Mar 04 00:00:00 -0800 2003"),
)


def test_times_are_read_as_databases_and_programs_write_them() -> None:
    assert [text for text in TIMES if _day(text.encode()) != date(2003, 3, 4)] == []
    for text in ("2003-03-04 10.61", "2003-03-04 10.3", "04-MAR-03 25.30.00", "2003-02-30T103000Z"):
        assert _day(text.encode()) is None, text


def test_each_month_has_its_name() -> None:
    names = (
        "janvier février avril août Oktober Dezember enero agosto gennaio luglio settembre juin juillet mei"
    )
    found = [_day(f"9 {name} 2003".encode()) for name in names.split()]
    assert [day and day.month for day in found] == [1, 2, 4, 8, 10, 12, 1, 8, 1, 7, 9, 6, 7, 5]
    assert _day("2003年3月4日".encode()) == date(2003, 3, 4)
    assert _day(b"maandag 6 januari 2003") == date(2003, 1, 6)  # a weekday that begins as maart does
    assert _day(b"9 mai juin 2003") is None
