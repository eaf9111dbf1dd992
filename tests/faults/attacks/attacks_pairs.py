"""Files of pairs: invalid CSV is refused by line and column in bounded memory, and nothing is written."""

import gzip
import lzma

from attacks.ground import Attack, Ground
from attacks.spoiling import Content, puts
from packed import zipped, zstd

HEADER = "userID,movieID,note\n"
GOOD = HEADER + "1,1,a\n2,1,b\n"
PREDICT = ["predict", "--store", "{store}", "--pairs", "{folder}/pairs.csv", "--out", "{folder}/out.csv"]


def nothing_written(ground: Ground) -> None:
    assert not [path for path in ground.folder.iterdir() if "out.csv" in path.name]


def refused(name: str, content: Content, *says: str, status: int = 3, sets: str = "") -> Attack:
    words = [*PREDICT, *(["--set", sets] if sets else [])]
    return Attack(
        name, words, status, puts("pairs.csv", content), says=["pairs.csv", *says], check=nothing_written
    )


def predicts(name: str, content: str | bytes, rows: int) -> Attack:
    def check(ground: Ground) -> None:
        assert len((ground.folder / "out.csv").read_text("utf-8", "replace").splitlines()) == rows + 1

    return Attack(name, PREDICT, 0, puts("pairs.csv", content), check=check)


ATTACKS = [
    refused("an open quote over two rows", HEADER + '1,1,"a\n2,1,b"\n3,1,c\n', "line 2", "column 3", "quote"),
    refused("an open quote to the end", GOOD + '3,1,"c\n4,1,d\n', "line 4", "column 3", "quote"),
    refused("an open quote as the user", HEADER + '"1,1,a\n2",1,b\n', "line 2", "column 1", "quote"),
    refused("an open quote beside a stray one", HEADER + '1,1" ,"a\n2,1,b"\n', "line 2", "column 3"),
    refused("text behind a quote", HEADER + '1,1,"a"b\n', "line 2"),
    refused("an open quote in the header", 'userID,movieID,"note\n1,1,a\n', "line 1", "column 3"),
    refused("a row with a field too few", HEADER + "1,1,a\n2,1\n", "line 3", "2 fields, expected 3"),
    refused("a row with a field too many", HEADER + "1,1,a,b\n", "line 2", "4 fields, expected 3"),
    refused("a NUL byte", GOOD + "3,1,c\0\n", "line 4", "NUL"),
    refused("NUL bytes alone", bytes(4096), "binary content"),
    refused("UTF-16 cut in a character", GOOD.encode("utf-16")[:-1], "line 3", "utf-16-le"),
    refused("two columns of users", "userID,customer,movieID\n1,2,1\n", "userID", "customer", "either"),
    refused("the same column twice", "user_id,movieID,userId\n1,2,1\n", "either"),
    refused(
        "a user of 5,000 digits", HEADER + f"{'9' * 5000},1,a\n", "line 2", "column userID", "integer id"
    ),
    refused("a user in Arabic digits", HEADER + "\u0663,1,a\n", "line 2", "integer id"),
    refused("a user behind a blank of another kind", HEADER + "\u20031,1,a\n", "line 2", "integer id"),
    refused("a movie line of 5,000 digits", f"{'9' * 5000}:\n1\n", "line 2", "integer id"),
    refused("a user of escapes", HEADER + "\x1b]0;own\x07,1,a\n", "\\x1b]0;own\\x07"),
    refused("a header of escapes", "\x1b[31muser,mov\x1bie\n1,1\n", "no column for the user id"),
    refused(
        "a line of 20 MB",
        lambda: HEADER.encode() + b"1,1," + b"a" * (20 << 20),
        "line 2",
        "ingest.max_line_mb",
    ),
    refused("a field of 200 kB", HEADER + "1,1," + "a" * 200_000 + "\n", "line 2", "field limit"),
    refused("a bomb of gzip", lambda: gzip.compress(b"1" * (18 << 20), 1), "line 1", "ingest.max_line_mb"),
    refused("Parquet that is none", b"PAR1" + bytes(99) + b"PAR1", "could not be read", status=2),
    refused("a zip without its directory", b"PK\x03\x04" + GOOD.encode(), "zip archive ends", status=2),
    refused("a zip of two files", zipped({"a.csv": GOOD, "b.csv": GOOD}), "several files", "a.csv and b.csv"),
    refused("an empty zip", zipped({}), "archive without a file"),
    refused(
        "a bomb of zip", zipped({"a.csv": HEADER + ("1,1," + "a" * 99_995 + "\n") * 700}), "ingest.max_ratio"
    ),
    refused(
        "JSON lines with a bad id", '{"user": 1, "movie": 2}\n{"user": "x", "movie": 2}\n', "line 2", "'x'"
    ),
    predicts("UTF-16", GOOD.encode("utf-16"), 2),
    predicts("gzip within gzip", gzip.compress(gzip.compress(GOOD.encode())), 2),
    predicts("zstd", zstd(GOOD.encode()), 2),
    predicts("a zip of xz", zipped({"a.csv.xz": lzma.compress(GOOD.encode())}), 2),
    predicts("JSON lines", '{"user": 1, "movie": 2, "note": "a, b"}\n{"user": 2, "movie": 2}\n', 2),
    predicts("carriage returns alone", GOOD.replace("\n", "\r"), 2),
    predicts("blanks, signs and zeros around ids", HEADER + " +1 ,\t001,a\n", 1),
    predicts("bytes that are not UTF-8", GOOD.encode() + b"3,1,\xff\xfe\n", 3),
    predicts("blank lines of blanks", GOOD + "   \n\n\t\n", 2),
]
