"""Rating files as people have them: the content, the rows that must be read, the warning, and the rejects."""

from datetime import date
from typing import Any

from field_rows import COMMAS, EPOCH, HALF, HEADER, PLAIN, UNDATED, lines

ZEROS = ("0000-00-00", "0000-00-00T00:00:00Z", "0000-00-00 00:00:00.000000", "00/00/0000")
NO_DATES = ("NULL", "\\N", "NA", "n/a", "NaT", "nan", "None", '"null"', *ZEROS)
NEAR = [(103 + k % 97, 103 + k * 7 % 101, 1 + k % 5, date(2003, 1, 1)) for k in range(120)]
READ: dict[str, tuple[str | bytes, list[Any], str]] = {
    "a header within the file, in another order": (
        HEADER
        + lines("{u},{m},{r},{d}", PLAIN[:HALF])
        + "movieId,userId,rating,date\n"
        + lines("{m},{u},{r},{d}", PLAIN[HALF:]),
        PLAIN,
        "gives the columns in another order",
    ),
    "a header within the file, of another delimiter and more columns": (
        HEADER
        + lines("{u},{m},{r},{d}", PLAIN[:HALF])
        + "\ufeffrating;x;movieId;userId;date\n"
        + lines("{r};a;{m};{u};{d}", PLAIN[HALF:]),
        PLAIN,
        "gives the columns in another order",
    ),
    "the same header again": (
        HEADER + lines("{u},{m},{r},{d}", PLAIN[:HALF]) + HEADER + lines("{u},{m},{r},{d}", PLAIN[HALF:]),
        PLAIN,
        "",
    ),
    "movies first, without a header": (lines("{m},{u},{r},{d}"), PLAIN, "whose first column is the movie"),
    "users first, without a header": (COMMAS, PLAIN, ""),
    "users that could be movies, without a header": (
        lines("{u},{m},{r},{d}", NEAR),
        NEAR,
        "the ids of its first two columns all have titles",
    ),
    "20030216": (HEADER + lines("{u},{m},{r},{d:%Y%m%d}"), PLAIN, ""),
    "20030216103000": (HEADER + lines("{u},{m},{r},{d:%Y%m%d}103000"), PLAIN, ""),
    "200302161030": (HEADER + lines("{u},{m},{r},{d:%Y%m%d}1030"), PLAIN, ""),
    "days of a spreadsheet": (
        HEADER + "".join(f"{u},{m},{r},{(d - date(1899, 12, 30)).days}.5\n" for u, m, r, d in PLAIN),
        PLAIN,
        "were read as days of a spreadsheet",
    ),
    "days since 1970": (
        HEADER + "".join(f"{u},{m},{r},{(d - EPOCH).days}\n" for u, m, r, d in PLAIN),
        PLAIN,
        "were read as days since 1970-01-01",
    ),
    "no date in the first rows": (
        HEADER + lines("{u},{m},{r},", PLAIN[:1]) * 60 + lines("{u},{m},{r},{d:%Y%m%d}"),
        [(*PLAIN[0][:3], None)] * 60 + PLAIN,
        "",
    ),
    "seconds and 0 for unknown": (
        HEADER + lines("{u},{m},{r},{s}") + "1,1,3,0\n1,2,3,-1\n",
        [*PLAIN, (1, 1, 3, EPOCH), (1, 2, 3, date(1969, 12, 31))],
        "2 dates are in 1969 or 1970, far from the others",
    ),
    "milliseconds and some seconds": (
        HEADER + lines("{u},{m},{r},{s}000") + "1,1,3,1045353600\n",
        [*PLAIN, (1, 1, 3, date(1970, 1, 13))],
        "1 dates are in 1969 or 1970, far from the others",
    ),
    "seconds": (HEADER + lines("{u},{m},{r},{s}"), PLAIN, ""),
    "milliseconds": (HEADER + lines("{u},{m},{r},{s}123"), PLAIN, ""),
    "microseconds": (HEADER + lines("{u},{m},{r},{s}123456"), PLAIN, ""),
    "month, day, year": (HEADER + lines("{u},{m},{r},{d:%m/%d/%Y}"), PLAIN, "with the month first"),
    "day, month, year of two digits": (
        HEADER + lines("{u},{m},{r},{d:%d.%m.%y}"),
        PLAIN,
        "with the day first",
    ),
    "year, month, day": (HEADER + lines("{u},{m},{r},{d:%Y/%m/%d}"), PLAIN, ""),
    "months of letters": (HEADER + lines('{u},{m},{r},"{d:%b %d, %Y}"'), PLAIN, ""),
    "time and zone behind": (HEADER + lines("{u},{m},{r},{d:%d-%b-%Y} 11:30:15 PM +02:00"), PLAIN, ""),
    "Amazon's": (HEADER + lines('{u},{m},{r},"{d:%m %d, %Y}"'), PLAIN, "with the month first"),
    "a year": (HEADER + lines("{u},{m},{r},{d:%Y}"), [(*row[:3], date(2003, 1, 1)) for row in PLAIN], ""),
    "text over lines": (
        "userId,movieId,rating,date,review\n"
        + lines('{u},{m},{r},{d},"fine, \n1,2,3,2001-01-01,x\nand ""so"" on"'),
        PLAIN,
        "quoted fields contain line ends",
    ),
    "backslash quotes": (
        "userId;movieId;rating;date;review\n" + lines('"{u}";"{m}";"{r}";"{d}";"say \\"a\\"; go"'),
        PLAIN,
        "",
    ),
    "delimiters at the end": (HEADER + lines("{u},{m},{r},{d},,"), PLAIN, ""),
    "sep=": ("sep=;\r\nuserId;movieId;rating;date\r\n" + lines("{u};{m};{r};{d}\r"), PLAIN, ""),
    "comments": ("# by me\n#\n" + HEADER + COMMAS + "# end\n", PLAIN, ""),
    "a header in a comment": ("# movieId userId rating\n" + lines("{m} {u} {r}"), UNDATED, ""),
    "whole lines in quotes": ('"userId,movieId,rating"\n' + lines('"{u},{m},{r}"'), UNDATED, ""),
    "decimal commas": ("userId,movieId,rating\n" + lines('{u},{m},"{r},0"'), UNDATED, ""),
    "blanks": (lines(" {u}  {m} {r}"), UNDATED, ""),
    "no-break spaces between": (lines("{u}\xa0{m}\xa0{r}").encode("iso-8859-1"), UNDATED, ""),
    "no-break spaces around": ("userId,movieId,rating\n" + lines("\xa0{u},{m}\xa0, {r}\xa0"), UNDATED, ""),
    "double tabs": (lines("{u}\t\t{m}\t\t{r}"), UNDATED, ""),
    "spreadsheet text": ("userId,movieId,rating\n" + lines('="{u}","=""{m}""",{r}'), UNDATED, ""),
    "ids such as 113.0": ("userId,movieId,rating\n" + lines("{u}.0,{m}.0,{r}"), UNDATED, "read as 113"),
    "ids such as 113.0, no header": (lines("{u}.0,{m}.00,{r}.0"), UNDATED, "read as 113"),
    "RecBole's names": ("user_id:token\titem_id:token\trating:float\n" + lines("{u}\t{m}\t{r}"), UNDATED, ""),
    "names of other data": (
        "Overall,reviewerID,parent_asin,unixReviewTime\n" + lines("{r},{u},{m},{s}"),
        PLAIN,
        "",
    ),
}

# Movies above 100, so that they are no ratings, among titles to 219.
FAR = [(1000 + k % 40, 103 + k % 100, 1 + k * k % 5, date(2003, 1 + k % 12, 1 + k % 28)) for k in range(120)]
REJECTS = {
    "stray quotes in a table with tabs": {"quote_unclosed": 1},
    "stray quotes of two columns in a table with tabs": {"quote_unclosed": 1},
    "0 for no date among digits": {"date_unparsable": 1},
    "JSON lines, and objects that are broken over lines": {"too_few_columns": 2},
    "bad ratings beside text over lines with backslash quotes": {"rating_not_a_number": 2},
}
