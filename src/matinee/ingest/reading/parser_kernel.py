"""The compiled parser: turns a block of delimited lines into typed columns, and marks each line that is not a row.

One pass over the bytes, one state machine for all dialects. It runs without the interpreter's lock, so two
blocks are parsed at once. docs/data.md describes what a field may look like. All functions are in one file:
a cached compiled function does not notice that a function it calls has changed in another file.
"""

from typing import Any

import numpy as np
from numba import njit

# Kinds of columns: the first four are also their bit in `nulls`.
USER, MOVIE, RATING, DATE, OTHER = 0, 1, 2, 3, 4

# Faults of a line, in the order of `matinee.schemas.rejects.CODES`; a field's fault is FIELD plus its kind.
TOO_FEW, TOO_MANY, QUOTE, FIELD = 1, 2, 3, 4
FAULTS = (
    ("", None),
    ("too_few_columns", None),
    ("too_many_columns", None),
    ("quote_unclosed", None),
    ("user_id_not_integer", "user_id"),
    ("movie_id_not_integer", "movie_id"),
    ("rating_not_a_number", "rating"),
    ("date_unparsable", "date"),
)

# What the parser reads of a dialect, by position in one int64 array.
DELIMITER, SECOND, QUOTED, LINE_END, COLUMNS, NEEDED, COMMA, NETFLIX = range(8)
NO_BYTE = -1  # as SECOND: the delimiter is one byte
NO_MOVIE = -(2**63)  # no `8:` line came before

_SPACE, _TAB, _CR, _QUOTE, _PLUS, _MINUS, _POINT, _COLON = 32, 9, 13, 34, 43, 45, 46, 58
_ZERO, _NINE = 48, 57
# Dates are days since 1970. Years that a calendar of four digits can't hold become its ends, so that every
# typed date can be shown; both lie far out of bounds.
_FIRST_DAY, _LAST_DAY = -719162, 2932896
_SECONDS_PER_DAY = 86400
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)
_EXACT_DIGITS = 18  # as many fit an int64 whatever they are
_POWERS = 10.0 ** np.arange(309)

# Without `_nrt=False` the compiler counts references to the arrays at each call, which takes five times as
# long as the parsing; nothing here allocates, so there is nothing to count.
compiled: Any = njit(nogil=True, cache=True, error_model="numpy", _nrt=False)
inlined: Any = njit(nogil=True, cache=True, error_model="numpy", _nrt=False, inline="always")


@compiled
def _is_digit(byte):
    return _ZERO <= byte <= _NINE


@compiled
def _read_integer(text, start, stop):
    """The integer in text[start:stop] and whether it is one that 64 bits hold."""
    i = start
    negative = text[i] == _MINUS
    if negative or text[i] == _PLUS:
        i += 1
    if i == stop:
        return 0, False
    value = 0
    limit = (2**63 - 1) // 10
    while i < stop:
        digit = np.int64(text[i]) - _ZERO
        if digit < 0 or digit > 9 or value > limit or (value == limit and digit > 7 + negative):
            return 0, False
        value = value * 10 + digit  # -2**63 wraps to itself, and so does its negative
        i += 1
    return (-value if negative else value), True


@compiled
def _read_number(text, start, stop, comma):
    """The decimal number in text[start:stop], as 5, -0.5, .5, 1e0, and whether it is a finite one."""
    i = start
    negative = text[i] == _MINUS
    if negative or text[i] == _PLUS:
        i += 1
    mantissa, digits, kept, scale, fraction = 0, 0, 0, 0, False
    while i < stop:
        byte = np.int64(text[i])
        if _is_digit(byte):
            digits += 1
            if kept < _EXACT_DIGITS:
                mantissa = mantissa * 10 + byte - _ZERO
                kept += mantissa > 0
                scale -= fraction
            else:
                scale += not fraction
        elif not fraction and (byte == _POINT or (comma and byte == 44)):
            fraction = True
        else:
            break
        i += 1
    if digits == 0:
        return 0.0, False
    if i < stop:
        if text[i] != 101 and text[i] != 69:  # e, E
            return 0.0, False
        if i + 1 == stop:
            return 0.0, False
        exponent, good = _read_integer(text, i + 1, stop)
        if not good:
            return 0.0, False
        scale += min(max(exponent, -1000), 1000)
    value = np.float64(mantissa)
    if scale < 0:
        value = value / _POWERS[-scale] if scale >= -308 else 0.0
    elif scale > 0 and mantissa > 0:
        value = value * _POWERS[scale] if scale <= 308 else np.inf
    return (-value if negative else value), value <= np.finfo(np.float32).max


@compiled
def _days(year, month, day):
    """Days since 1970-01-01 of a Gregorian date (Hinnant, days_from_civil)."""
    year -= month <= 2
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468


@compiled
def _pair(text, i):
    """Two digits as a number, or a negative one when they are not."""
    high = np.int64(text[i]) - _ZERO
    low = np.int64(text[i + 1]) - _ZERO
    if high < 0 or high > 9 or low < 0 or low > 9:
        return -1000000
    return high * 10 + low


@compiled
def _read_day(text, i):
    """The days of the ten bytes YYYY-MM-DD at i and whether there is such a day."""
    year = _pair(text, i) * 100 + _pair(text, i + 2)
    month = _pair(text, i + 5)
    day = _pair(text, i + 8)
    if year < 0 or text[i + 4] != _MINUS or text[i + 7] != _MINUS or month < 1 or month > 12 or day < 1:
        return 0, False
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > _MONTH_DAYS[month] + leap:
        return 0, False
    return max(_days(year, month, day), _FIRST_DAY), True


@compiled
def _is_time(text, start, stop):
    """Whether text[start:stop] is a time of day after a date: a space or T, HH:MM and what may follow."""
    if stop - start < 6 or (text[start] != _SPACE and text[start] != 84):
        return False
    if _pair(text, start + 1) < 0 or text[start + 3] != _COLON or _pair(text, start + 4) < 0:
        return False
    for i in range(start + 6, stop):
        byte = text[i]
        # digits : . + - Z and a space before a zone
        if not (_is_digit(byte) or byte in (_COLON, _POINT, _PLUS, _MINUS, 90, _SPACE)):
            return False
    return True


@compiled
def _read_date(text, start, stop):
    """Days since 1970 of text[start:stop], an ISO date or unix seconds, and whether it is one."""
    if stop - start >= 10 and text[start + 4] == _MINUS:
        days, good = _read_day(text, start)
        return days, good and (stop - start == 10 or _is_time(text, start + 10, stop))
    whole = start
    while whole < stop and text[whole] != _POINT:
        whole += 1
    for i in range(whole + 1, stop):
        if not _is_digit(text[i]):
            return 0, False
    if whole == start:
        return 0, False
    seconds, good = _read_integer(text, start, whole)
    return min(max(seconds // _SECONDS_PER_DAY, _FIRST_DAY), _LAST_DAY), good


@inlined
def _ends_field(text, i, dialect):
    """Whether the line ends at i or a delimiter starts there."""
    if text[i] == dialect[LINE_END]:
        return True
    return text[i] == dialect[DELIMITER] and (dialect[SECOND] == NO_BYTE or text[i + 1] == dialect[SECOND])


@compiled
def _is_blank(byte, dialect):
    return byte == _SPACE or byte == _CR or (byte == _TAB and dialect[DELIMITER] != _TAB)


@compiled
def _find_field(text, i, dialect):
    """The field at i without blanks and quotes around it, and where it ends; a start of -1: a quote is open."""
    line_end = dialect[LINE_END]
    while text[i] != line_end and _is_blank(text[i], dialect):
        i += 1
    start = i
    if dialect[QUOTED] and text[i] == _QUOTE:
        i += 1
        while text[i] != _QUOTE or text[i + 1] == _QUOTE:
            if text[i] == line_end:
                return -1, i, i
            i += 2 if text[i] == _QUOTE else 1
        stop = i
        i += 1
        while text[i] != line_end and _is_blank(text[i], dialect):
            i += 1
        if _ends_field(text, i, dialect):
            start += 1
            while start < stop and _is_blank(text[start], dialect):
                start += 1
            return start, _trimmed(text, start, stop, dialect), i
    while not _ends_field(text, i, dialect):
        i += 1
    return start, _trimmed(text, start, i, dialect), i


@compiled
def _trimmed(text, start, stop, dialect):
    while stop > start and _is_blank(text[stop - 1], dialect):
        stop -= 1
    return stop


@compiled
def _read_field(text, start, stop, kind, comma, row, out):
    """Store the field text[start:stop] in the column of its kind; whether it could be read."""
    if kind == USER or kind == MOVIE:
        value, good = _read_integer(text, start, stop)
        out[0][kind, row] = value
        return good
    if kind == RATING:
        number, good = _read_number(text, start, stop, comma)
        out[1][row] = number
        return good
    days, good = _read_date(text, start, stop)
    out[2][row] = days
    return good


@inlined
def _read_row(text, i, stop, dialect, kinds, row, out):
    """Store the line at i as a row; where its line end is, and its fault or 0."""
    fault, column, missing = 0, 0, 1 << DATE
    while True:
        kind = kinds[column] if column < dialect[COLUMNS] else OTHER
        begin = i
        good = False
        # Nearly every field is a bare run of digits or a bare date: those are read at once.
        if kind == USER or kind == MOVIE or kind == RATING:
            value = 0
            while text[i] >= _ZERO and text[i] <= _NINE:
                value = value * 10 + (np.int64(text[i]) - _ZERO)
                i += 1
            good = 0 < i - begin <= _EXACT_DIGITS and _ends_field(text, i, dialect)
            if good and kind == RATING:
                out[1][row] = value
            elif good:
                out[0][kind, row] = value
        elif kind == DATE and i + 10 < stop and _ends_field(text, i + 10, dialect):
            days, good = _read_day(text, i)
            out[2][row] = days
            i += 10
            missing = missing & ~(1 << DATE) if good else missing
        if not good:
            start, end, i = _find_field(text, begin, dialect)
            if start < 0:
                return i, QUOTE
            if kind != OTHER:
                if start == end:
                    missing |= 1 << kind
                else:
                    missing &= ~(1 << kind)
                    if not _read_field(text, start, end, kind, dialect[COMMA], row, out) and fault == 0:
                        fault = FIELD + kind
        column += 1
        if text[i] == dialect[LINE_END]:
            break
        i += 1 if dialect[SECOND] == NO_BYTE else 2
    out[4][row] = missing
    if column < dialect[NEEDED]:
        fault = TOO_FEW
    elif column > dialect[COLUMNS]:
        fault = TOO_MANY
    return i, fault


@compiled
def _read_movie_line(text, i, dialect):
    """Where the line at i ends if it is one as `8:`, else -1; its movie, and whether that is a number."""
    start = i
    while text[i] != _COLON:
        if text[i] == dialect[LINE_END] or text[i] == dialect[DELIMITER]:
            return -1, NO_MOVIE, False
        i += 1
    stop = i
    i += 1
    while text[i] != dialect[LINE_END]:
        if not _is_blank(text[i], dialect):
            return -1, NO_MOVIE, False
        i += 1
    while start < stop and _is_blank(text[start], dialect):
        start += 1
    stop = _trimmed(text, start, stop, dialect)
    if start == stop:
        return i, NO_MOVIE, False
    movie, good = _read_integer(text, start, stop)
    return i, (movie if good else NO_MOVIE), good


@compiled
def parse(text, start, stop, dialect, kinds, row, out, bad, bads):
    """Parse the lines of text[start:stop], which must end with a line end, into columns.

    `out` is (ids of users and movies, rating, date, line, nulls), filled from `row` on; `nulls` has the bit of
    a kind set where its field is empty. `bad` is (line, fault), filled from `bads` on. Lines count from 0.
    Returns the next row, the next bad line, the lines, the row of the first `8:` line or -1, and the movie of
    the last one; rows before the first belong to a movie that only the text before `start` names.
    """
    i, line, first, movie = start, 0, -1, NO_MOVIE
    while i < stop:
        begin = i
        fault, is_row = 0, True
        while text[i] != dialect[LINE_END] and _is_blank(text[i], dialect):
            i += 1
        if text[i] == dialect[LINE_END]:
            is_row = False
        elif dialect[NETFLIX]:
            end, number, good = _read_movie_line(text, i, dialect)
            if end >= 0:
                i, movie, is_row = end, number, False
                first = row if first < 0 else first
                fault = 0 if good else FIELD + MOVIE
        if is_row:
            i, fault = _read_row(text, begin, stop, dialect, kinds, row, out)
            if fault == 0:
                if dialect[NETFLIX]:
                    out[0][MOVIE, row] = movie
                    out[4][row] |= (movie == NO_MOVIE) << MOVIE
                out[3][row] = line
                row += 1
        if fault:
            bad[0][bads] = line
            bad[1][bads] = fault
            bads += 1
        i += 1
        line += 1
    return row, bads, line, first, movie


@compiled
def count_lines(text, start, stop, line_end):
    """The line ends in text[start:stop]."""
    lines = 0
    for i in range(start, stop):
        lines += text[i] == line_end
    return lines


@compiled
def find_lines(text, start, stop, line_end, wanted, starts):
    """Where each line that `wanted` names, ascending, starts in text[start:stop]; lines count from 0."""
    i, line = start, 0
    for k in range(wanted.size):
        while line < wanted[k]:
            line += text[i] == line_end
            i += 1
        starts[k] = i
