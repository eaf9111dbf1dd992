"""The compiled parser: turns a block of delimited lines into typed columns, and marks each line that is not a row.

One pass over the bytes, one state machine for all dialects. It runs without the interpreter's lock, so two
blocks are parsed at once. docs/data.md describes what a field may look like. All functions are in one file:
a cached compiled function does not notice that a function it calls has changed in another file.
"""

from typing import Any

import numpy as np

from matinee.store.compiled import njit

# Kinds of columns: the first four are also their bit in `nulls`. Text ids are those above TEXT.
USER, MOVIE, RATING, DATE, OTHER = 0, 1, 2, 3, 4
TEXT = 5
TEXT_USER, TEXT_MOVIE = TEXT + USER, TEXT + MOVIE
# Bits in `nulls`, by the side: the id is not a canonical integer; it is one with a sign or leading zeros.
_ODD, _PADDED = 4, 6
# A text id is known by its place in the text: start << PLACE | length. Doubled quotes or backslashes are marked.
PLACE, DOUBLED, ESCAPED, LONGEST = 10, 1 << 8, 1 << 9, 255

# Faults of a line: a field's fault is FIELD plus its kind, and that of a text id is TOO_LONG plus its side.
TOO_FEW, TOO_MANY, QUOTE, FIELD, TOO_LONG = 1, 2, 3, 4, 8
OPEN = 255  # no fault yet: a quoted field goes on in the next block
FAULTS = (
    ("", None),
    ("too_few_columns", None),
    ("too_many_columns", None),
    ("quote_unclosed", None),
    ("user_id_not_integer", "user_id"),
    ("movie_id_not_integer", "movie_id"),
    ("rating_not_a_number", "rating"),
    ("date_unparsable", "date"),
    ("user_id_too_long", "user_id"),
    ("movie_id_too_long", "movie_id"),
)

# What the parser reads of a dialect, by position in one int64 array.
DELIMITER, SECOND, QUOTED, LINE_END, COLUMNS, NEEDED, NETFLIX, DATES, FLOATS, EMPTY_MORE, COMMENT = range(11)
NO_BYTE = -1  # as SECOND: the delimiter is one byte; as COMMENT: there are no comments
# Forms of dates besides YYYY-MM-DD, as DATES: numbers of some unit since 1970, digits without separators, a year,
# day, month and year in the order of the name, days since 1970, or the days of a spreadsheet.
SECONDS, MILLISECONDS, MICROSECONDS, NANOSECONDS, DIGITS, DIGITS_AND_TIME, YEAR, DAY_FIRST, MONTH_FIRST = (
    range(9)
)
DAYS, SERIALS = 9, 10
# Ways to rewrite lines before they are parsed.
AS_THEY_ARE, QUOTED_LINES, BLANKS, TABS = range(4)
# What is counted besides rows, by position in one int64 array.
FIRST_IS_DAY, SECOND_IS_DAY, OVER_LINES = range(3)
# By the side: ids that are not canonical integers, and those of them that are integers nevertheless.
ODD_IDS, PADDED_IDS = 3, 5
COUNTED = 7
NO_MOVIE = -(2**63)  # no `8:` line came before

_GOOD, _BAD, _LATER = 0, 1, 2
_NONE, _OPEN = -1, -2  # instead of the quote that ends a field
# Where \" is a quote within quotes: nowhere, in fields that end nowhere else, in the whole row.
_NOWHERE, _IN_FIELDS, _IN_ROW = 0, 1, 2
_SPACE, _TAB, _CR, _QUOTE, _PLUS, _MINUS, _POINT, _COLON = 32, 9, 13, 34, 43, 45, 46, 58
_BRACKET = 91
_EQUALS, _BACKSLASH, _NBSP, _COMMA, _SLASH = 61, 92, 0xA0, 44, 47
_LONGEST_ROW = 1 << 20  # bytes of a row whose quoted field contains line ends
_NEAR = 4096  # bytes from the start of a row in which a backslash and a quote are searched
_SWALLOWED = 3  # lines that look like rows, within a quoted field: the quote was not meant to open one
_ZERO, _NINE = 48, 57
# Dates are days since 1970. Years that a calendar of four digits can't hold become its ends, so that every
# typed date can be shown; both lie far out of bounds.
_FIRST_DAY, _LAST_DAY = -719162, 2932896
_SECONDS_PER_DAY = 86400
_MILLISECONDS_PER_DAY = 86400000
_FIRST_SERIAL = -25569  # 1899-12-30, the day 0 of spreadsheets
_PER_SECOND = np.array([1, 10**3, 10**6, 10**9], dtype=np.int64)  # by the form of a date
# The first letters of each month, without accents: in English, then other names in German, French, Spanish, Italian,
# Portuguese and Dutch.
_MONTH_NAMES = (
    "jan ene gen",
    "feb fev",
    "mar mae mrz mrt maa",
    "apr avr abr",
    "may mai mag mei",
    "jun juin giu",
    "jul juil lug",
    "aug aou ago",
    "sep set",
    "oct okt ott out",
    "nov",
    "dec dez dic",
)
_MONTHS = np.array(
    [
        [*name.encode().ljust(4, b"\0"), month]
        for month, names in enumerate(_MONTH_NAMES, start=1)
        for name in names.split()
    ],
    dtype=np.int64,
)
# The first letters of weekdays that begin like March: mardi, martes and martedì, maandag.
_MARDI, _MARTES, _MAANDAG = (int.from_bytes(word, "little") for word in (b"mardi", b"marte", b"maand"))
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)
_EXACT_DIGITS = 18  # as many fit an int64 whatever they are
_POWERS = 10.0 ** np.arange(309)

# Without `_nrt=False` the compiler counts references to the arrays at each call, which takes five times as
# long as the parsing; nothing here allocates, so there is nothing to count.
compiled: Any = njit(nogil=True, cache=True, error_model="numpy", _nrt=False)
# Helpers are called by compiled code alone: without entry points for Python and without a place in the cache of
# their own they compile faster.
_HELPER = {
    "nogil": True,
    "error_model": "numpy",
    "_nrt": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
helper: Any = njit(**_HELPER)
inlined: Any = njit(**_HELPER, forceinline=True)


@helper
def _is_digit(byte):
    return _ZERO <= byte <= _NINE


@helper
def _read_integer(text, start, stop):
    """The integer in text[start:stop] and whether it is one that 64 bits hold."""
    if start == stop:
        return 0, False
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


@helper
def _read_number(text, start, stop):
    """The decimal number in text[start:stop], as 5, -0.5, .5, 3,5, 1e0, and whether it is a finite one."""
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
        elif not fraction and (byte == _POINT or byte == _COMMA):
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
    value = -value if negative else value
    return value + 0.0, abs(value) <= np.finfo(np.float32).max  # -0 becomes 0


@helper
def _days(year, month, day):
    """Days since 1970-01-01 of a Gregorian date (Hinnant, days_from_civil)."""
    year -= month <= 2
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468


@helper
def _pair(text, i):
    """Two digits as a number, or a negative one when they are not."""
    high = np.int64(text[i]) - _ZERO
    low = np.int64(text[i + 1]) - _ZERO
    if high < 0 or high > 9 or low < 0 or low > 9:
        return -1000000
    return high * 10 + low


@helper
def _to_day(year, month, day):
    """The days of a date and whether there is such a day."""
    if year < 0 or month < 1 or month > 12 or day < 1:
        return 0, False
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > _MONTH_DAYS[month] + leap:
        return 0, False
    return min(max(_days(year, month, day), _FIRST_DAY), _LAST_DAY), True


@helper
def _read_day(text, i):
    """The days of the ten bytes YYYY-MM-DD at i and whether there is such a day."""
    if text[i + 4] != _MINUS or text[i + 7] != _MINUS:
        return 0, False
    return _to_day(_pair(text, i) * 100 + _pair(text, i + 2), _pair(text, i + 5), _pair(text, i + 8))


@helper
def _read_seconds(seconds):
    """Days since 1970 and milliseconds of the day."""
    return min(max(seconds // _SECONDS_PER_DAY, _FIRST_DAY), _LAST_DAY), seconds % _SECONDS_PER_DAY * 1000


@helper
def _read_plain_date(text, start, stop, form):
    """Days, milliseconds of the day, and _GOOD, _BAD or _LATER for text[start:stop].

    Dates as YYYY-MM-DD and in seconds are read at once. Others are left to `read_dates`, so that files without them do
    not wait for its compilation.
    """
    if stop - start == 10 and text[start + 4] == _MINUS and text[start + 7] == _MINUS:
        days, good = _read_day(text, start)
        return days, np.int64(0), _GOOD if good else _BAD
    if form == SECONDS:
        seconds, good = _read_integer(text, start, stop)
        if good:
            days, clock = _read_seconds(seconds)
            return days, clock, _GOOD
    return np.int64(0), np.int64(0), _LATER


@helper
def _lower(byte):
    return byte + 32 if 65 <= byte <= 90 else byte


@helper
def _is_no_date(text, start, stop):
    """Whether text[start:stop] is a word for an empty date: NULL, \\N, NA, N/A, NaT, NaN or None, in any case.

    So are zeros such as 0000-00-00, 0000-00-00T00:00:00Z and 00/00/0000, which databases write.
    """
    size = stop - start
    if size >= 10 and text[start] == _ZERO and text[start + 1] == _ZERO:
        separators = 0
        for i in range(start, stop):
            byte = text[i]
            if byte == _MINUS or byte == _SLASH or byte == _POINT:
                separators += 1
            elif byte != _ZERO and byte not in (_COLON, _SPACE, _PLUS, 84, 90):  # T, Z
                return False
        return separators >= 2  # 0000000000 is a number
    if size < 2 or size > 4:
        return False
    first, last = _lower(text[start]), _lower(text[stop - 1])
    if size == 2:
        return (last == 97 and first == 110) or (last == 110 and first == _BACKSLASH)  # na, \n
    second = _lower(text[start + 1])
    if first != 110:
        return False
    if size == 3:  # n/a, nat, nan
        return (second == _SLASH and last == 97) or (second == 97 and (last == 116 or last == 110))
    third = _lower(text[start + 2])
    return (second == 117 and third == 108 and last == 108) or (
        second == 111 and third == 110 and last == 101
    )


@inlined
def _ends_field(text, i, dialect):
    """Whether the line ends at i or a delimiter starts there."""
    if text[i] == dialect[LINE_END]:
        return True
    return text[i] == dialect[DELIMITER] and (dialect[SECOND] == NO_BYTE or text[i + 1] == dialect[SECOND])


@helper
def _is_blank(byte, dialect):
    return byte == _SPACE or byte == _CR or (byte == _TAB and dialect[DELIMITER] != _TAB)


@helper
def _skip_blanks(text, i, dialect):
    """The first position from i on that is no blank, no space of a web page and no byte order mark."""
    while True:
        if text[i] == dialect[LINE_END]:
            return i
        if _is_blank(text[i], dialect) or text[i] == _NBSP:
            i += 1
        elif text[i] == 0xC2 and text[i + 1] == _NBSP:
            i += 2
        elif text[i] == 0xEF and text[i + 1] == 0xBB and text[i + 2] == 0xBF:
            i += 3
        else:
            return i


@helper
def _trimmed(text, start, stop, dialect):
    while stop > start:
        if _is_blank(text[stop - 1], dialect):
            stop -= 1
        elif text[stop - 1] == _NBSP and stop - 1 > start and text[stop - 2] == 0xC2:
            stop -= 2
        elif text[stop - 1] == _NBSP and (stop - 1 == start or text[stop - 2] < 128):
            stop -= 1  # of ISO-8859-1, and not the end of a letter in UTF-8
        else:
            break
    return stop


@helper
def _close_quote(text, i, stop, dialect, escapes):
    """The quote that ends a field whose text begins at i, and the line ends before it; `stop` if there is none.

    It is negative if the text up to the quote is too long for a field.
    """
    lines = 0
    begin = i
    while i < stop and i - begin < _LONGEST_ROW:
        if text[i] == _QUOTE:
            if text[i + 1] != _QUOTE:
                return i, lines
            i += 1
        elif escapes and text[i] == _BACKSLASH and text[i + 1] != dialect[LINE_END]:
            i += 1
        elif text[i] == dialect[LINE_END]:
            lines += 1
        i += 1
    return (-1 if i < stop else stop), lines


@helper
def _swallows_rows(text, start, stop, dialect):
    """Whether most lines within text[start:stop] have as many delimiters as a row."""
    lines, rows, delimiters, i = 0, 0, 0, start
    while text[i] != dialect[LINE_END]:
        i += 1
    i += 1
    while i < stop:
        if text[i] == dialect[LINE_END]:
            lines += 1
            rows += delimiters == dialect[COLUMNS] - 1
            delimiters = 0
        delimiters += text[i] == dialect[DELIMITER]
        i += 1
    return rows >= _SWALLOWED and 2 * rows > lines


@helper
def _joins_rows(text, start, stop, dialect):
    """Whether the first and the last line of text[start:stop] are rows of a table with tabs: its quotes are stray.

    Either both lines have the tabs of a row, or there are as many before the quote that opens as before the one that
    closes. Tables with tabs often have stray quotes, and texts have no tabs.
    """
    if dialect[DELIMITER] != _TAB:
        return False
    before, first, within, last, i = 0, 0, 0, 0, start - 1
    while i >= 0 and text[i] != dialect[LINE_END]:
        before += text[i] == _TAB
        i -= 1
    i = start
    while text[i] != dialect[LINE_END]:
        first += text[i] == _TAB
        i += 1
    i = stop
    while text[i] != dialect[LINE_END]:
        within += text[i] == _TAB
        i -= 1
    i = stop
    while text[i] != dialect[LINE_END]:
        last += text[i] == _TAB
        i += 1
    of_a_row = dialect[COLUMNS] - 1
    return 0 < before == within or (before + first == of_a_row == within + last)


@helper
def _close_field(text, i, begin, stop, dialect, escapes, is_read):
    """The quote that ends the quoted field at i, where the field ends, and the line ends in it.

    The first is _NONE if the quote stays open, and _OPEN if it may be closed after `stop`. The second is -1 if text
    follows the quote.
    """
    line_end = dialect[LINE_END]
    close, lines = _close_quote(text, begin, stop, dialect, escapes)
    if lines and (is_read or close < 0):
        return _NONE, -1, 0  # an id, a rating or a date is on one line
    if close == stop:
        return (_OPEN if not is_read and stop - i < _LONGEST_ROW else _NONE), -1, 0
    if close < 0:
        return _NONE, -1, 0
    after = close + 1
    while text[after] != line_end and _is_blank(text[after], dialect):
        after += 1
    ends = _ends_field(text, after, dialect)
    if lines and (
        not ends or _swallows_rows(text, i, close, dialect) or _joins_rows(text, i, close, dialect)
    ):
        return _NONE, -1, 0
    return close, (after if ends else -1), lines


@helper
def _find_field(text, i, stop, dialect, escapes, is_read):
    """The field at i without blanks and quotes around it, where it ends, and the line ends in it.

    A start of -1: a quote is open, and the line ends at the end that is returned. -2: the quote may be closed in the
    text after `stop`.
    """
    line_end = dialect[LINE_END]
    while text[i] != line_end and _is_blank(text[i], dialect):
        i += 1
    start = i
    excel = text[i] == _EQUALS and text[i + 1] == _QUOTE
    if dialect[QUOTED] and (text[i] == _QUOTE or excel):
        close, after, lines = _close_field(text, i, i + 1 + excel, stop, dialect, escapes == _IN_ROW, is_read)
        if close >= 0 and after < 0 and escapes == _IN_FIELDS and text[close - 1] == _BACKSLASH:
            # Text follows \" so this quote is one within the field, if another one ends the field.
            again = _close_field(text, i, i + 1 + excel, stop, dialect, True, is_read)
            if again[1] >= 0 or again[0] == _OPEN:
                close, after, lines = again
        if close == _OPEN:
            return -2, i, i, 0
        if close < 0:
            while text[i] != line_end:
                i += 1
            return -1, i, i, 0
        if after >= 0:
            start += 1 + excel
            while start < close and _is_blank(text[start], dialect):
                start += 1
            return start, _trimmed(text, start, close, dialect), after, lines
        i = close + 1
    while not _ends_field(text, i, dialect):
        i += 1
    return start, _trimmed(text, start, i, dialect), i, 0


@helper
def _bare(text, start, stop, dialect):
    """A field that is read, without what spreadsheets and web pages put around it: ="113", no-break spaces."""
    start = min(_skip_blanks(text, start, dialect), stop)
    stop = _trimmed(text, start, stop, dialect)
    if start < stop and text[start] == _EQUALS:
        start += 1
        while stop - start > 1 and text[start] == _QUOTE and text[stop - 1] == _QUOTE:
            start += 1
            stop -= 1
    return start, stop


@helper
def _without_zeros(text, start, stop):
    """The end of an integer that is written as 113.0."""
    zeros = stop
    while zeros > start and text[zeros - 1] == _ZERO:
        zeros -= 1
    return zeros - 1 if zeros > start + 1 and zeros < stop and text[zeros - 1] == _POINT else stop


@helper
def _is_canonical(text, start, stop):
    """Whether the first digit of an integer is not a sign or a leading zero."""
    return _is_digit(text[start]) and (text[start] != _ZERO or stop == start + 1)


@helper
def _bare_text(text, start, stop, dialect):
    """A text id as `_bare`, without quotes alone: it may begin with =."""
    if text[start] == _EQUALS and text[start + 1] != _QUOTE:
        return start, stop
    return _bare(text, start, stop, dialect)


@helper
def _read_text(text, begin, start, stop, side, dialect, row, out, escapes):
    """Store where the text id text[start:stop] is; its fault and its bits in `nulls`.

    An id that a quote precedes, from `begin` on, may hold doubled quotes or escapes.
    """
    marks = 0
    for i in range(begin, start):
        if text[i] == _QUOTE:
            for k in range(start, stop):
                if text[k] == _QUOTE:
                    marks |= DOUBLED
                elif text[k] == _BACKSLASH and (
                    escapes or (k + 1 < stop and text[k + 1] == _QUOTE and text[k + 2] != _QUOTE)
                ):
                    marks |= ESCAPED
    fits = stop - start <= LONGEST
    out[0][side, row] = (start << PLACE | marks | (stop - start)) if fits else 0
    if dialect[FLOATS] >> side & 1:
        stop = _without_zeros(text, start, stop)
    _, good = _read_integer(text, start, stop)
    bits = 0 if good and _is_canonical(text, start, stop) else 1 << (_ODD + side)
    return (0 if fits else TOO_LONG + side), bits


@helper
def _read_id(text, start, stop, side, dialect):
    """The integer id in text[start:stop], whether it is one, and its bits in `nulls`."""
    if dialect[FLOATS] >> side & 1:
        stop = _without_zeros(text, start, stop)
    value, good = _read_integer(text, start, stop)
    bits = 0
    if not good:
        bits = 1 << (_ODD + side)
    elif not _is_canonical(text, start, stop):
        bits = (1 << (_ODD + side)) | (1 << (_PADDED + side))
    return value, good, bits


@inlined
def _read_row(text, i, stop, dialect, kinds, row, out, seen, escapes):
    """Store the line at i as a row; where its line end is, its fault or 0, and the line ends in it."""
    fault, column, missing, lines, more, bits = 0, 0, 1 << DATE, 0, 0, 0
    out[4][row] = 0
    out[5][row] = 0
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
                if text[begin] == _ZERO and i - begin > 1:
                    bits |= (1 << (_ODD + kind)) | (1 << (_PADDED + kind))
        elif kind >= TEXT:
            digits = True
            while _SPACE < text[i] < 127 and text[i] != _QUOTE and not _ends_field(text, i, dialect):
                digits = digits and _is_digit(text[i])
                i += 1
            good = 0 < i - begin <= LONGEST and _ends_field(text, i, dialect) and text[begin] != _EQUALS
            if good and i - begin <= _EXACT_DIGITS and not (dialect[FLOATS] >> (kind - TEXT) & 1):
                out[0][kind - TEXT, row] = begin << PLACE | (i - begin)
                if not digits or (text[begin] == _ZERO and i - begin > 1):
                    bits |= 1 << (_ODD + kind - TEXT)
            elif good:  # perhaps a very long integer, or one such as 113.0
                _, odd = _read_text(text, begin, begin, i, kind - TEXT, dialect, row, out, False)
                bits |= odd
        elif kind == DATE and i + 10 < stop and _ends_field(text, i + 10, dialect):
            i += 10  # a day, or seconds of 2001 and later
            days, clock, state = _read_plain_date(text, begin, i, dialect[DATES])
            good = state == _GOOD
            if good:
                out[2][row], out[5][row] = days, clock
                missing &= ~(1 << DATE)
        if not good:
            start, end, i, inside = _find_field(text, begin, stop, dialect, escapes, kind != OTHER)
            if start == -1:
                return i, QUOTE, 0
            if start == -2:
                return i, OPEN, 0
            lines += inside
            if kind >= TEXT:
                start, end = _bare_text(text, start, end, dialect)
                if start == end:
                    out[0][kind - TEXT, row] = 0
                    missing |= 1 << (kind - TEXT)
                else:
                    wrong, odd = _read_text(
                        text, begin, start, end, kind - TEXT, dialect, row, out, escapes == _IN_ROW
                    )
                    bits |= odd
                    fault = wrong if fault == 0 else fault
            elif kind != OTHER:
                start, end = _bare(text, start, end, dialect)
                if start == end or (kind == DATE and _is_no_date(text, start, end)):
                    missing |= 1 << kind
                else:
                    missing &= ~(1 << kind)
                    good = True
                    if kind == DATE:
                        days, clock, state = _read_plain_date(text, start, end, dialect[DATES])
                        good = state != _BAD
                        out[2][row] = start if state == _LATER else days
                        out[5][row] = start - end if state == _LATER else clock
                    elif kind == RATING:
                        number, good = _read_number(text, start, end)
                        out[1][row] = number
                    else:
                        value, good, odd = _read_id(text, start, end, kind, dialect)
                        out[0][kind, row] = value
                        bits |= odd
                    if not good and fault == 0:
                        fault = FIELD + kind
            elif column >= dialect[COLUMNS]:
                more += start < end
        column += 1
        if text[i] == dialect[LINE_END]:
            break
        i += 1 if dialect[SECOND] == NO_BYTE else 2
    out[4][row] |= missing | bits
    if column < dialect[NEEDED]:
        fault = TOO_FEW
    elif column > dialect[COLUMNS] and (more or not dialect[EMPTY_MORE]):
        fault = TOO_MANY
    return i, fault, lines


@helper
def _has_escaped_quote(text, i, stop):
    """Whether the row at i has \\" near its start."""
    stop = min(stop, i + _NEAR)
    while i < stop and not (text[i] == _BACKSLASH and text[i + 1] == _QUOTE):
        i += 1
    return i < stop


@helper
def _is_better(second, first):
    """Whether the second reading of a row has no fault, goes on in the next block, or has the columns of a row.

    A row with a bad value ends where its quotes end, so a reading that finds all columns knows its lines as well.
    """
    return second == 0 or (first != OPEN and second == OPEN) or first < FIELD <= second


@helper
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
def parse(text, start, stop, dialect, kinds, row, out, bad, bads, seen, last):
    """Parse the lines of text[start:stop], which must end with a line end, into columns.

    `out` is (ids of users and movies, rating, date, line, nulls, time of day), filled from `row` on. `nulls` has the
    bit of a kind set where its field is empty. `bad` is (line, fault), filled from `bads` on. Lines count from 0.
    Of dates that `read_dates` has to read, `date` is where the text starts and `time of day` minus its length.
    `seen` counts what `matinee.ingest.reading` reports. `last` says that no text of the file follows.
    Returns the next row, the next bad line, the lines, the row of the first `8:` line or -1, the movie of the last one,
    and where a row starts that may go on after `stop`, or -1. Rows before the first `8:` line belong to a movie that
    only the text before `start` names.
    """
    i, line, first, movie = start, 0, -1, NO_MOVIE
    while i < stop:
        begin = i
        fault, is_row, lines = 0, True, 0
        while text[i] != dialect[LINE_END] and _is_blank(text[i], dialect):
            i += 1
        if text[i] == dialect[LINE_END]:
            is_row = False
        elif text[i] == dialect[COMMENT]:
            is_row = False
            while text[i] != dialect[LINE_END]:
                i += 1
        elif dialect[NETFLIX]:
            end, number, good = _read_movie_line(text, i, dialect)
            if end >= 0:
                i, movie, is_row = end, number, False
                first = row if first < 0 else first
                fault = 0 if good else FIELD + MOVIE
        if is_row:
            # A row with a fault is read again with \" as a quote within quotes. The first reading stays if the
            # second is no better. All use one call, because the compiler copies the row's code to each call.
            escapes = _IN_FIELDS
            while True:
                end, found, inside = _read_row(text, begin, stop, dialect, kinds, row, out, seen, escapes)
                if escapes != _IN_ROW or _is_better(found, fault):
                    i, fault, lines = end, found, inside
                if fault == OPEN and last and escapes == _IN_FIELDS:
                    escapes = _NOWHERE  # no later quote can end the field
                    continue
                if escapes == _IN_ROW or fault == 0 or not dialect[QUOTED]:
                    break
                if not _has_escaped_quote(text, begin, stop):
                    break
                escapes = _IN_ROW
            if fault == OPEN:
                if not last:
                    return row, bads, line, first, movie, begin
                i, fault = begin, QUOTE
                while text[i] != dialect[LINE_END]:
                    i += 1
            if out[4][row] >> _ODD and (fault == 0 or fault >= FIELD):
                for side in range(2):
                    seen[ODD_IDS + side] += out[4][row] >> (_ODD + side) & 1
                    seen[PADDED_IDS + side] += out[4][row] >> (_PADDED + side) & 1
            if fault == 0:
                if dialect[NETFLIX]:
                    out[0][MOVIE, row] = movie
                    out[4][row] |= (movie == NO_MOVIE) << MOVIE
                out[3][row] = line
                row += 1
                seen[OVER_LINES] += lines > 0
        if fault:
            bad[0][bads] = line
            bad[1][bads] = fault
            bads += 1
        i += 1
        line += 1 + lines
    return row, bads, line, first, movie, -1


@helper
def _is_time(text, start, stop):
    """Whether text[start:stop] is a time of day after a date: a space or T, HH:MM and what may follow."""
    if stop - start < 6 or (text[start] != _SPACE and text[start] != 84):
        return False
    if _pair(text, start + 1) < 0 or text[start + 3] != _COLON or _pair(text, start + 4) < 0:
        return False
    for i in range(start + 6, stop):
        byte = text[i]
        # digits : . + - Z, a space before a zone, UTC and GMT
        if not (_is_digit(byte) or byte in (_COLON, _POINT, _PLUS, _MINUS, 90, _SPACE, 85, 84, 67, 71, 77)):
            return False
    return True


@helper
def _is_written_time(text, start, stop):
    """Whether text[start:stop] begins like a time of another form: -10.30, t10:30, 9:30, T103000, 10:30 PM."""
    if stop - start < 5 or not _is_digit(text[start + 1]):
        return False
    return text[start] == _SPACE or text[start] == _MINUS or _lower(text[start]) == 116


@helper
def _read_clock(text, i, stop):
    """The milliseconds of a time HH:MM[:SS[.fff]] at i, and where it ends."""
    hours, minutes, seconds, thousandths = 0, 0, 0, 0
    while i < stop and _is_digit(text[i]):
        hours = min(hours * 10 + np.int64(text[i]) - _ZERO, 99)
        i += 1
    if i + 2 < stop and text[i] == _COLON:
        minutes = max(_pair(text, i + 1), 0)
        i += 3
    if i + 2 < stop and text[i] == _COLON:
        seconds = max(_pair(text, i + 1), 0)
        i += 3
    if i < stop and (text[i] == _POINT or text[i] == _COMMA):
        i += 1
        unit = 100
        while i < stop and _is_digit(text[i]):
            thousandths += unit * (np.int64(text[i]) - _ZERO)
            unit //= 10
            i += 1
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths, i


@helper
def _read_pointed_clock(text, i, stop):
    """The milliseconds of a time HH.MM[.SS[.fff]] at i, and where it ends; -1 if it is none."""
    clock, unit, count = 0, 3600000, 0
    while count < 3 and i < stop and _is_digit(text[i]):
        value, digits = 0, 0
        while i < stop and _is_digit(text[i]):
            value = min(value * 10 + np.int64(text[i]) - _ZERO, 99)
            digits += 1
            i += 1
        if digits > 2 or (digits < 2 and count > 0) or value > (59 if count > 0 else 24):
            return 0, -1
        clock += value * unit
        unit //= 60
        count += 1
        if i + 1 >= stop or text[i] != _POINT or not _is_digit(text[i + 1]):
            break
        i += 1
    unit = 100
    while count == 3 and i < stop and _is_digit(text[i]):
        clock += unit * (np.int64(text[i]) - _ZERO)
        unit //= 10
        i += 1
    return clock, (i if count > 1 else -1)


@helper
def _read_zone(text, i, stop):
    """The milliseconds of a zone +HH:MM, +HHMM or +HH at i, and where it ends."""
    sign = -1 if text[i] == _MINUS else 1
    i += 1
    hours, minutes = 0, 0
    if i + 1 < stop:
        hours = max(_pair(text, i), 0)
        i += 2
    if i < stop and text[i] == _COLON:
        i += 1
    if i + 1 < stop and _pair(text, i) >= 0:
        minutes = _pair(text, i)
        i += 2
    return sign * (hours * 60 + minutes) * 60000, i


@helper
def _iso_clock(text, start, stop):
    """The milliseconds of a time after an ISO date, in UTC if it has a zone."""
    clock, i = _read_clock(text, start + 1, stop)
    while i < stop and text[i] != _PLUS and text[i] != _MINUS:
        i += 1
    if i < stop:
        zone, i = _read_zone(text, i, stop)
        clock -= zone
    return clock


@helper
def _is_letter(byte):
    return 97 <= _lower(byte) <= 122 or (byte >= 128 and byte != _NBSP and byte != 0xC2)


@helper
def _month_of(text, i, stop):
    """The number of the month that the word text[i:stop] names, or 0.

    Letters with accents count without them, in UTF-8 and in Windows-1252.
    """
    letters, size = np.int64(0), 0
    while i < stop and size < 5:
        byte = np.int64(_lower(text[i]))
        if byte == 0xC3 and i + 1 < stop:  # the letters of Western languages in UTF-8
            i += 1
            byte = np.int64(text[i]) + 64
        if byte == 0xE4 or byte == 0xC4:
            byte = 97
        elif byte == 0xE9 or byte == 0xC9:
            byte = 101
        elif byte == 0xFB or byte == 0xDB:
            byte = 117
        letters |= byte << 8 * size
        size += 1
        i += 1
    if letters == _MARDI or letters == _MARTES or letters == _MAANDAG:
        return 0
    for k in range(_MONTHS.shape[0]):
        name = _MONTHS[k, 0] | _MONTHS[k, 1] << 8 | _MONTHS[k, 2] << 16
        if letters & 0xFFFFFF == name and (_MONTHS[k, 3] == 0 or letters >> 24 & 0xFF == _MONTHS[k, 3]):
            return _MONTHS[k, 4]
    return 0


@helper
def _read_written_date(text, start, stop, form, seen):
    """Days, milliseconds of the day, and whether text[start:stop] is a date such as 2/16/2003 10:00 or 16 Feb 2003."""
    parts = np.int64(0)
    first, second, third, first_digits, third_digits = np.int64(0), np.int64(0), np.int64(0), 0, 0
    month, clock, zone, late, is_day, timed = np.int64(0), 0, 0, -1, False, False
    i = start
    while i < stop:
        byte = text[i]
        if _is_digit(byte):
            begin = i
            value = np.int64(0)
            while i < stop and _is_digit(text[i]):
                value = min(value * 10 + np.int64(text[i]) - _ZERO, 1 << 40)
                i += 1
            dated = parts == 3 or (month > 0 and parts == 2)
            if i < stop and text[i] == _COLON and i - begin <= 2:
                clock, i = _read_clock(text, begin, stop)
                timed = True
            elif dated and not timed and i - begin <= 2 and i + 2 < stop and text[i] == _POINT:
                clock, i = _read_pointed_clock(text, begin, stop)
                if i < 0:
                    return 0, 0, False
                timed = True
            elif dated and not timed and (i - begin == 4 or i - begin == 6):  # HHMM or HHMMSS
                clock = (_pair(text, begin) * 60 + _pair(text, begin + 2)) * 60000
                clock += _pair(text, begin + 4) * 1000 if i - begin == 6 else 0
                timed = True
            elif parts == 0 and i - begin == 8:  # YYYYMMDD before a time
                first, second, third, parts = value // 10000, value // 100 % 100, value % 100, 3
                first_digits = 4
            elif parts == 0:
                first, first_digits, parts = value, i - begin, 1
            elif parts == 1:
                second, parts = value, 2
                third_digits = i - begin
            elif parts == 2:
                third, parts = value, 3
                third_digits = i - begin
            else:
                return 0, 0, False
        elif _is_letter(byte):
            begin = i
            while i < stop and _is_letter(text[i]):
                i += 1
            found = _month_of(text, begin, i) if i - begin >= 3 else 0
            if found and parts < 2:
                if month and not is_day:
                    return 0, 0, False
                month = found
                is_day = found == 3 and i - begin == 3 and parts == 0  # mar. of mardi is a Tuesday as well
            elif i - begin == 2 and _lower(text[begin + 1]) == 109 and _lower(byte) in (97, 112):  # am, pm
                late = 1 if _lower(byte) == 112 else 0
            elif i - begin > 10:
                return 0, 0, False
            # Others are weekdays, th, of, T, UTC, and the signs of year, month and day in Chinese and Japanese.
        elif (byte == _PLUS or byte == _MINUS) and timed and i + 2 < stop and _is_digit(text[i + 1]):
            zone, i = _read_zone(text, i, stop)
        elif byte == _BRACKET:
            i = stop  # the name of a zone, [Europe/Berlin]
        elif byte in (_SPACE, _SLASH, _POINT, _MINUS, _COMMA, _COLON, 39, 95, _NBSP, 0xC2):
            i += 1
        else:
            return 0, 0, False
    if month:
        if parts != 2:
            return 0, 0, False
        if first_digits == 4:
            year, day = first, second
        else:
            day, year = first, second
    elif parts != 3:
        return 0, 0, False
    elif first_digits == 4:
        year, month, day = first, second, third
    elif form == DAY_FIRST:
        day, month, year = first, second, third
    else:
        month, day, year = first, second, third
    if first_digits != 4:
        if third_digits == 2:
            year += 1900 if year > 68 else 2000
        elif third_digits != 4:
            return 0, 0, False
        if parts == 3:
            seen[FIRST_IS_DAY] += 12 < first <= 31
            seen[SECOND_IS_DAY] += 12 < second <= 31
    if late >= 0:
        clock = clock % (_MILLISECONDS_PER_DAY // 2) + late * (_MILLISECONDS_PER_DAY // 2)
    days, good = _to_day(year, month, day)
    return days, clock - zone, good


@helper
def _read_digits(text, start, stop, form):
    """Days, milliseconds of the day, and whether text[start:stop] is a date without separators."""
    for i in range(start, stop):
        if not _is_digit(text[i]):
            return 0, 0, False
    if form == YEAR:
        if stop - start != 4:
            return 0, 0, False
        days, good = _to_day(_pair(text, start) * 100 + _pair(text, start + 2), 1, 1)
        return days, 0, good
    has_seconds = stop - start == 14
    if stop - start != 8 if form == DIGITS else not has_seconds and stop - start != 12:
        return 0, 0, False
    year = _pair(text, start) * 100 + _pair(text, start + 2)
    days, good = _to_day(year, _pair(text, start + 4), _pair(text, start + 6))
    clock = 0
    if form == DIGITS_AND_TIME:
        clock = (_pair(text, start + 8) * 60 + _pair(text, start + 10)) * 60000
        if has_seconds:
            clock += _pair(text, start + 12) * 1000
    return days, clock, good


@helper
def _read_date(text, start, stop, form, seen):
    """Days since 1970 and milliseconds of the day of text[start:stop], and whether it is a date."""
    if stop - start > 10 and text[start + 4] == _MINUS and text[start + 7] == _MINUS:
        days, good = _read_day(text, start)
        if not good:
            return days, 0, False
        if _is_time(text, start + 10, stop):
            return days, _iso_clock(text, start + 10, stop), True
        if _is_written_time(text, start + 10, stop):
            return _read_written_date(text, start, stop, form, seen)
        return 0, 0, False
    if form == DAY_FIRST or form == MONTH_FIRST:
        return _read_written_date(text, start, stop, form, seen)
    if form == DAYS or form == SERIALS:
        number, good = _read_number(text, start, stop)
        number = min(max(number, -1e6), 1e7)
        day = np.int64(np.floor(number))
        clock = np.int64((number - day) * _MILLISECONDS_PER_DAY)
        day += _FIRST_SERIAL if form == SERIALS else 0
        return min(max(day, _FIRST_DAY), _LAST_DAY), clock, good
    whole = start
    while whole < stop and text[whole] != _POINT:
        whole += 1
    if form >= DIGITS:
        zeros = whole
        while zeros < stop and (text[zeros] == _POINT or text[zeros] == _ZERO):
            zeros += 1
        return _read_digits(text, start, whole if zeros == stop else stop, form)
    for i in range(whole + 1, stop):
        if not _is_digit(text[i]):
            return 0, 0, False
    if whole == start:
        return 0, 0, False
    count, good = _read_integer(text, start, whole)
    days, clock = _read_seconds(count // _PER_SECOND[form])
    return days, clock + count % _PER_SECOND[form] * 1000 // _PER_SECOND[form], good


@compiled
def read_dates(text, form, row, stop, dates, clocks, faulty, seen):
    """Read the dates of rows from `row` to `stop` that `parse` left: where `clocks` holds a length, with a minus.

    `dates` holds where they start. `faulty` marks those that are not dates, from 0 on. Returns the number of these.
    """
    first, found = row, 0
    while row < stop:
        length = -clocks[row]
        if length > 0:
            days, clock, good = _read_date(text, dates[row], dates[row] + length, form, seen)
            dates[row], clocks[row] = days, clock
            faulty[row - first] = not good
            found += not good
        row += 1
    return found


@helper
def _is_enclosed(text, start, stop):
    """Whether quotes are around text[start:stop], and those within it are doubled."""
    if stop - start < 2 or text[start] != _QUOTE or text[stop - 1] != _QUOTE:
        return False
    i = start + 1
    while i < stop - 1:
        if text[i] == _QUOTE:
            if i + 1 == stop - 1 or text[i + 1] != _QUOTE:
                return False
            i += 1
        i += 1
    return True


@helper
def _end_of_quoted(text, i, stop):
    """The quote that ends a field whose text begins at i, before a blank or the line's end; -1 if there is none."""
    while i < stop:
        if text[i] == _QUOTE:
            if i + 1 == stop or text[i + 1] == _SPACE or text[i + 1] == _TAB:
                return i
            if text[i + 1] != _QUOTE:
                return -1
            i += 1
        i += 1
    return -1


@compiled
def rewrite(text, start, stop, dialect, way, out):
    """Copy text[start:stop] line by line into `out`, rewritten in a way; returns the bytes written.

    BLANKS and TABS: one tab between fields; fields that blanks delimit lose their quotes. QUOTED_LINES: without the
    quotes around whole lines.
    """
    size, i = 0, start
    while i < stop:
        end = i
        while text[end] != dialect[LINE_END]:
            end += 1
        begin, close = i, end
        while begin < close and (
            _is_blank(text[begin], dialect) or (way != QUOTED_LINES and text[begin] == _TAB)
        ):
            begin += 1
        while close > begin and (
            _is_blank(text[close - 1], dialect) or (way != QUOTED_LINES and text[close - 1] == _TAB)
        ):
            close -= 1
        enclosed = way == QUOTED_LINES and _is_enclosed(text, begin, close)
        if enclosed:
            begin, close = begin + 1, close - 1
        k = begin
        while k < close:
            byte = text[k]
            if way == BLANKS and byte == _QUOTE and (k == begin or out[size - 1] == _TAB):
                end_quote = _end_of_quoted(text, k + 1, close)
                if end_quote >= 0:
                    k += 1
                    if k == end_quote:  # an empty field
                        out[size] = _SPACE
                        size += 1
                    while k < end_quote:
                        k += text[k] == _QUOTE  # the first of two
                        out[size] = _SPACE if text[k] == _TAB else text[k]
                        size += 1
                        k += 1
                    k = end_quote + 1
                    continue
            if enclosed and byte == _QUOTE and text[k + 1] == _QUOTE:
                k += 1
            elif way != QUOTED_LINES:
                gap = byte == _TAB or (way == BLANKS and (byte == _SPACE or byte == _NBSP))
                if way == BLANKS and byte == 0xC2 and text[k + 1] == _NBSP:
                    gap = True
                    k += 1
                if gap:
                    byte = _TAB
                    if size and out[size - 1] == _TAB:
                        k += 1
                        continue
            out[size] = byte
            size += 1
            k += 1
        out[size] = dialect[LINE_END]
        size += 1
        i = end + 1
    return size


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
