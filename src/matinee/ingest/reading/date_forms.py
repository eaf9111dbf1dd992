"""Recognizes how dates are written in a column: its values decide together, never one alone.

20030216 is a day and not a second of 1970 if all values of the file look like that.
"""

import re
from collections.abc import Collection, Sequence
from statistics import median
from typing import Final

from matinee.errors import DataError
from matinee.ingest.reading import parser_kernel as kernel
from matinee.settings.ingest import DateOrder

_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d([ T].*)?", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d*)?", re.ASCII)
_DAY: Final = r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
_DIGITS: Final = {
    kernel.YEAR: re.compile(r"(19|20)\d\d(\.0*)?", re.ASCII),
    kernel.DIGITS: re.compile(rf"{_DAY}(\.0*)?", re.ASCII),
    kernel.DIGITS_AND_TIME: re.compile(rf"{_DAY}([01]\d|2[0-3])[0-5]\d([0-5]\d)?(\.0*)?", re.ASCII),
}
# Digits that are read as the first days of 1970 unless they are refused.
_UNREAD_DIGITS: Final = {
    "day, month and year without separators": re.compile(
        r"(0?[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])(19|20)\d\d|(0?[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(19|20)\d\d",
        re.ASCII,
    ),
    "a year of two digits, month and day without separators": re.compile(
        r"\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", re.ASCII
    ),
    "year and month without separators": re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])", re.ASCII),
}
_OTHER_FORMS: Final = {
    kernel.SECONDS: "seconds since 1970",
    kernel.MILLISECONDS: "milliseconds since 1970",
    kernel.MICROSECONDS: "microseconds since 1970",
    kernel.NANOSECONDS: "nanoseconds since 1970",
    kernel.DIGITS: "digits such as 20030216",
    kernel.DIGITS_AND_TIME: "digits such as 20030216103000",
    kernel.YEAR: "years",
    kernel.DAY_FIRST: "dates such as 16.2.2003 or 16 Feb 2003, with the day first",
    kernel.MONTH_FIRST: "dates such as 2/16/2003 or February 16, 2003, with the month first",
    kernel.DAYS: "days since 1970-01-01",
    kernel.SERIALS: "days of a spreadsheet",
}
_NEARLY_ALL: Final = 0.9  # share of the numbers that show a form; a 0 for "unknown" must not hide it
_FEWEST_DIGITS: Final = 2  # different values, all written alike
# Whole days that stand for the years 1990 to 2050: since 1970, and in spreadsheets.
_DAYS: Final = {kernel.DAYS: (7305, 29220), kernel.SERIALS: (32874, 54789)}
_WRITTEN: Final = re.compile(r"(\d{1,4})[ /.,-]+(\d{1,2})[ /.,-]+(\d{2}|\d{4})(\b.*)?", re.ASCII)
_MONTH: Final = re.compile(
    r"(?<![^\W\d_])([jg][aä]n|ene|fe[bv]|fév|m[aä]r|mae|mrz|mrt|maa|a[pb]r|avr|ma[iyg]|mei|jun|giu|juin|jul|lug|juil|"
    r"aug|ago|ao[uû]|sep|set|o[ckut]t|nov|d[ei][cz]|déc|gen)",
    re.I,
)
_SIGNS: Final = re.compile(r"\d{4} ?[年년] ?\d{1,2} ?[月월] ?\d{1,2} ?[日일].*")
_DAY_AND_TIME: Final = re.compile(rf"{_DAY}[T _-]\d\d:?\d\d.*", re.ASCII)
_NO_DATES: Final = frozenset(("null", "\\n", "na", "n/a", "nat", "nan", "none"))  # as in `kernel.is_no_date`
_ZERO_DATE: Final = re.compile(r"0[-0: ]{8,}0", re.ASCII)
_UNKNOWN: Final = frozenset(("0", "-1", "0.0", "-1.0"))  # numbers that often stand for an unknown date
_UNITS: Final = (1e10, 1e13, 1e16)  # as seconds, milliseconds and microseconds these are in the years 2286
_MOST_DAYS: Final = 31
_MANY_DAYS: Final = 8
_MOST_MONTHS: Final = 12


def recognize_dates(values: Sequence[str], order: DateOrder) -> tuple[int, bool]:
    """Recognize the form of the dates in a column.

    Args:
        values: The first values of the column.
        order: What `ingest.dates` says about days and months.

    Returns:
        The form for the parser, and whether the values leave open if the day or the month comes first.

    >>> recognize_dates(["20030216", "20041101"], "auto") == (kernel.DIGITS, False)
    True
    >>> recognize_dates(["2/3/2003"], "auto") == (kernel.MONTH_FIRST, True)
    True
    """
    written = [text for text in _dates(values) if not _ISO.fullmatch(text)]
    others = [text for text in written if text not in _UNKNOWN] or written
    if not others:
        return kernel.SECONDS, False
    digits = [text for text in others if _NUMBER.fullmatch(text)]
    if 2 * len(digits) > len(others):  # a header of a joined file, or a damaged date, may be among them
        for form, pattern in _DIGITS.items():
            if sum(map(bool, map(pattern.fullmatch, digits))) >= _NEARLY_ALL * len(digits):
                return form, False
        numbers = [abs(float(text)) for text in digits]
        middle = median(numbers)
        for form, (lowest, highest) in _DAYS.items():
            if sum(lowest <= number <= highest for number in numbers) >= _NEARLY_ALL * len(numbers):
                return form, False
        return sum(middle >= limit for limit in _UNITS), False
    return _recognize_order(others, order)


def name_form(form: int) -> str:
    """How dates are read by a form of the parser, for messages.

    >>> name_form(kernel.SECONDS)
    'YYYY-MM-DD or seconds since 1970'
    """
    return f"YYYY-MM-DD or {_OTHER_FORMS[form]}"


def refuse_digits(values: Sequence[str], label: str) -> None:
    """Raise DataError for dates of digits that could only be read as seconds of 1970, or in a wrong order."""
    texts = {*_dates(values)} - _UNKNOWN
    if len(texts) < _FEWEST_DIGITS or any(
        pattern.fullmatch(text) for pattern in _DIGITS.values() for text in texts
    ):
        return
    form = next(
        (form for form, written in _UNREAD_DIGITS.items() if all(map(written.fullmatch, texts))), None
    )
    if form is None and _year_first(texts):
        form = "a year of two digits, month and day"
    if form is not None:
        raise DataError(
            f"{label} has dates such as {min(texts)}, which look like {form}. Such dates are not read: write them as "
            "2003-02-16 or 20030216, or set ingest.columns=date= to leave dates out."
        )


def has_dates(values: Sequence[str]) -> bool:
    """Whether a value of a column is not empty, and no word for an empty field."""
    return bool(_dates(values))


def _dates(values: Sequence[str]) -> list[str]:
    """The values that are not empty, and no word for an empty field."""
    return [
        text
        for value in values
        if (text := value.strip()) and text.lower() not in _NO_DATES and not _ZERO_DATE.fullmatch(text)
    ]


def _year_first(texts: Collection[str]) -> bool:
    """Whether dates such as 03-02-16 end with the day: the last number has more values than the first."""
    found = [match for text in texts if (match := _WRITTEN.fullmatch(text))]
    if len(found) < len(texts) or any(len(match[1]) != 2 or len(match[3]) != 2 for match in found):
        return False
    firsts, lasts = ({int(match[place]) for match in found} for place in (1, 3))
    return (
        len(lasts) >= _MANY_DAYS and len(lasts) > len(firsts) and 0 < min(lasts) <= max(lasts) <= _MOST_DAYS
    )


def _recognize_order(texts: Sequence[str], order: DateOrder) -> tuple[int, bool]:
    found = [match for text in texts if (match := _WRITTEN.fullmatch(text))]
    numbered = [match for match in found if len(match[1]) < 4]
    if not found and not any(
        _MONTH.search(text) or _SIGNS.fullmatch(text) or _DAY_AND_TIME.fullmatch(text) for text in texts
    ):
        return kernel.SECONDS, False
    if order != "auto":
        return (kernel.DAY_FIRST if order == "day_first" else kernel.MONTH_FIRST), False
    day_first = sum(_MOST_MONTHS < int(match[1]) <= _MOST_DAYS for match in numbered)
    month_first = sum(_MOST_MONTHS < int(match[2]) <= _MOST_DAYS for match in numbered)
    if day_first != month_first:
        return (kernel.DAY_FIRST if day_first > month_first else kernel.MONTH_FIRST), False
    if any("." in text for text in texts) and not any("/" in text for text in texts):
        return kernel.DAY_FIRST, False  # no country writes the month first with points
    return kernel.MONTH_FIRST, bool(numbered)
