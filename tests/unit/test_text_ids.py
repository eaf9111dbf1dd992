"""Text ids: how a dataset gets its kind, and what is read as an id."""

import json
import re
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packed import parquet

from matinee import ingest
from matinee.containers import Member
from matinee.errors import ConfigError, DataError
from matinee.formats.manifests import DatasetManifest
from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.file_heads import parse_head
from matinee.ingest.reading.recognition import recognize
from matinee.ingest.screening import screen
from matinee.sample import write_sample
from matinee.settings.ingest import IngestSettings
from matinee.store import Store

AUTO = IngestSettings()
TEXT = IngestSettings(ids="text")


def _is_canonical(text: str) -> bool:
    return re.fullmatch(r"0|[1-9][0-9]{0,18}", text) is not None and int(text) < 2**63


def _ingest(
    folder: Path, store: Path, settings: IngestSettings = AUTO, **files: str | bytes
) -> tuple[DatasetManifest, list[tuple[str | int, str | int]]]:
    """Ingest files of ratings; returns the manifest and the pairs of user and movie as the files have them."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_bytes(text.encode() if isinstance(text, str) else text)
    titles = folder.parent / "titles.csv"
    made = Store.open(store)
    dataset = made.ensure(
        ingest.plan(made, ratings=[folder], titles=titles if titles.exists() else None, settings=settings)
    )
    rows = pl.concat(ingest.iter_ratings(made, dataset))
    columns = []
    for side in ("user_id", "movie_id"):
        texts = dict(ingest.read_id_texts(made, dataset, column=side).iter_rows())
        columns.append([texts.get(each, each) for each in rows[side].to_list()])
    return made.read(DatasetManifest, dataset.digest), list(zip(*columns, strict=True))


# Files of ids in single quotes are refused (test_field_refused.py).
IDS = st.one_of(
    st.integers(0, 10**19).map(str),
    st.integers(0, 99).map("{:05}".format),
    st.integers(0, 99).map("{:+}".format),
    st.text('a\\"', min_size=1, max_size=6),
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=60
    ),
).filter(
    lambda text: "\ufeff" not in text and not text.startswith(("=", "'")) and 0 < len(text.encode()) <= 255
)


@given(st.lists(st.tuples(IDS, IDS), min_size=1, max_size=20))
@settings(max_examples=25, deadline=None)
def test_ids_are_read_as_they_stand_and_canonical_integers_are_counted(rows: list[tuple[str, str]]) -> None:
    lines = "".join(
        ",".join('"' + text.replace('"', '""') + '"' if set(text) & set(',"\\') else text for text in row)
        + ",3\n"
        for row in rows
    )
    head = ("userID,movieID,rating\n" + lines).encode()
    block = parse_head(Member("a", head, None), recognize(head, TEXT, label="a"))  # type: ignore[arg-type]
    assert not len(block.bad_line), lines
    for side in (kernel.USER, kernel.MOVIE):
        texts = [text.decode() for text in block.texts[side].texts()]
        assert [texts[code] for code in block.ids[side]] == [row[side] for row in rows]
        odd = sum(not _is_canonical(row[side]) for row in rows)
        assert sum(int(piece.seen[kernel.ODD_IDS + side]) for piece in block.pieces) == odd


def test_a_field_keeps_spreadsheet_quotes_and_other_encodings_apart_from_the_id(tmp_path: Path) -> None:
    rows = [b'="007",tt1,4', b"\xc2\xa0u1 ,tt1,4", b"caf\xe9,tt2,3", "café,tt1,5".encode(), b"=x,tt2,2"]
    rows += [rb'"a \"b\"",tt1,3', rb'"\"c",tt1,3', rb'"d""",tt1,3', rb'"e\",tt1,3', rb'"f\\",tt1,3']
    long = b"a" * 255 + b",tt1,4\n" + b"b" * 256 + b",tt1,4\n"
    made, pairs = _ingest(
        tmp_path / "r",
        tmp_path / "s",
        TEXT,
        a_csv=b"userID,movieID,rating\n" + b"\n".join(rows) + b"\n" + long + b"u9,tt9,1\n" * 200,
    )
    quotes = ['a "b"', '"c', 'd"', "e\\", r"f\\"]
    assert [user for user, _ in pairs][:11] == ["007", "u1", "café", "café", "=x", *quotes, "a" * 255]
    assert made.rejects == {"superseded": 199, "user_id_too_long": 1}


def test_a_lone_surrogate_of_json_makes_a_reject_and_no_other_id(tmp_path: Path) -> None:
    lines = [
        json.dumps({"user_id": f"u{k}", "asin": "B1", "rating": 3, "title": "\ud83d"}) for k in range(300)
    ]
    lines += [json.dumps({"user_id": user, "asin": "B1", "rating": 3}) for user in ("\ud83d", "\ud83e", "?")]
    made, pairs = _ingest(tmp_path / "r", tmp_path / "s", TEXT, a_json="\n".join(lines).encode())
    assert made.rejects == {"too_few_columns": 2}
    assert [user for user, _ in pairs] == [*(f"u{k}" for k in range(300)), "?"]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("1;0195153448;5\n2;000X;4\n", ("integer", "text")),
        ("u1;1;5\nu2;2;4\n", ("text", "integer")),
        ("113.0;1;5\n114.0;2;4\n", ("integer", "integer")),
        (
            '{"user_id": 7, "movie_id": "B1", "rating": 5}\n{"user_id": "x", "movie_id": "B2", "rating": 4}\n',
            ("text", "text"),
        ),
    ],
)
def test_each_side_has_the_kind_of_its_rows(text: str, kinds: tuple[str, str], tmp_path: Path) -> None:
    header = "" if text.startswith("{") else "User-ID;ISBN;Book-Rating\n"
    made, pairs = _ingest(tmp_path / "r", tmp_path / "s", a_csv=header + text)
    assert made.ids == {"user_id": kinds[0], "movie_id": kinds[1]}
    assert (made.rows, made.rows_rejected) == (2, 0)
    assert [type(each).__name__ for each in pairs[0]] == [
        {"integer": "int", "text": "str"}[kind] for kind in kinds
    ]


def test_all_rows_decide_and_not_the_first_ones(tmp_path: Path) -> None:
    rows = [f"{user},1,{1 + user % 5}" for user in range(1, 9000)]
    text = "user,movie,rating\n" + "\n".join([*rows, *(f"u{user},1,3" for user in range(500))])
    made, _ = _ingest(tmp_path / "r", tmp_path / "s", a_csv=text)
    assert (made.ids["user_id"], made.rows, made.rows_rejected) == ("text", 9499, 0)
    assert any("500 of 9,499 rows have a user id that is not" in warning for warning in made.warnings)
    few = "user,movie,rating\n" + "\n".join([*rows, "u1,1,3", "0017,1,3"])
    made, _ = _ingest(tmp_path / "few", tmp_path / "few_store", a_csv=few)
    assert (made.ids["user_id"], made.rejects) == ("integer", {"superseded": 1, "user_id_not_integer": 1})
    assert any("leading zeros" in warning for warning in made.warnings)


def test_a_store_keeps_the_kinds_of_its_first_dataset(tmp_path: Path) -> None:
    integers, texts = "user,movie,rating\n1,1,5\n0002,2,4\n", "user,movie,rating\nu1,1,5\nu2,2,4\n"
    store = tmp_path / "s"
    _ingest(tmp_path / "a", store, IngestSettings(ids="integer"), a_csv=integers)
    made, pairs = _ingest(tmp_path / "a", store)
    assert (made.ids["user_id"], pairs) == ("integer", [(1, 1), (2, 2)])
    with pytest.raises(DataError, match=r"integer ids since its first dataset\. Give another --store"):
        _ingest(tmp_path / "b", store, b_csv=texts)
    with pytest.raises(ConfigError, match="asks for text ids of users, and the store has integer ids"):
        _ingest(tmp_path / "a", store, TEXT)
    refused = screen(
        Store.open(store), [tmp_path / "a/a.csv", tmp_path / "b/b.csv"], settings=IngestSettings()
    ).refused
    assert "Give another --store" in refused[tmp_path / "b/b.csv"] and len(refused) == 1
    other = tmp_path / "t"
    _ingest(tmp_path / "b", other)
    made, pairs = _ingest(tmp_path / "c", other, a_csv="user,movie,rating\n1,1,5\n2,2,4\n")
    assert (pairs, "read as text" in " ".join(made.warnings)) == ([("1", 1), ("2", 2)], True)


def test_screening_reads_files_without_a_header_as_a_dataset_does(tmp_path: Path) -> None:
    (tmp_path / "titles.csv").write_text("".join(f"m{movie},1999,Film {movie}\n" for movie in range(9)))
    rows = [(f"m{k % 9}", f"u{k % 31}", str(1 + k % 5)) for k in range(100)]
    for name, order in (("swapped", (0, 1, 2)), ("usual", (1, 0, 2))):
        text = "".join(",".join(row[place] for place in order) + "\n" for row in rows)
        (tmp_path / name).write_text(text)
    store, paths = Store.open(tmp_path / "s"), [tmp_path / "swapped", tmp_path / "usual"]
    found = screen(store, paths, settings=IngestSettings(), titles=tmp_path / "titles.csv")
    assert (found.accepted, found.refused) == (paths, {})
    parsed = {path.name for path in (store.root / "partitions").iterdir()}
    planned = ingest.plan(store, ratings=paths, titles=tmp_path / "titles.csv", settings=IngestSettings())
    made = store.manifest("datasets", store.ensure(planned).digest)
    assert {*made["partitions"]} == parsed and made["rejects"] == {"superseded": 100}


def test_planted_bad_rows_of_text_ids_are_rejected_with_their_codes(tmp_path: Path) -> None:
    truth = write_sample(tmp_path, ratings=3000, users=60, movies=90, dirty=0.1, ids="text")
    store, settings = Store.open(tmp_path / "s"), IngestSettings(max_reject_fraction=0.5)
    titles = tmp_path / "movie_titles.csv"
    planned = ingest.plan(store, ratings=[tmp_path / "ratings.csv"], titles=titles, settings=settings)
    made = store.manifest("datasets", store.ensure(planned).digest)
    assert (made["rejects"], made["title_rejects"]) == (truth.rejects, truth.title_rejects)
    assert {"user_id_too_long", "movie_id_too_long"} < truth.rejects.keys()


def test_of_two_first_runs_of_other_kinds_the_later_one_is_refused(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s")
    for name, text in (
        ("a", "user,movie,rating\n1,1,5\n2,2,4\n"),
        ("b", "user,movie,rating\nu1,1,5\nu2,2,4\n"),
    ):
        (tmp_path / name).write_text(text)
    first, plays, second = (
        ingest.plan(store, ratings=[tmp_path / name], titles=None, settings=IngestSettings(feedback=feedback))
        for name, feedback in (("a", "explicit"), ("a", "implicit"), ("b", "explicit"))
    )
    store.ensure(first)
    with pytest.raises(
        DataError, match=r"text ids of users, and another first run.* has given the store integer"
    ):
        store.ensure(second)
    with pytest.raises(ConfigError, match="holds ratings, and this run reads plays"):
        store.ensure(plays)
    assert [path.name for path in (store.root / "datasets").iterdir()] == [first.digest]


@pytest.mark.parametrize("swapped", [False, True])
def test_columns_of_text_ids_without_a_header_are_told_apart_by_the_titles(
    swapped: bool, tmp_path: Path
) -> None:
    pairs = [(f"A{user:05}XK", f"{movie:09}X") for user in range(40) for movie in range(5)]
    lines = [f"{b if swapped else a},{a if swapped else b},5.0,1341100800" for a, b in pairs]
    (tmp_path / "titles.csv").write_text("".join(f"{movie:09}X,1999,Book {movie}\n" for movie in range(9)))
    made, found = _ingest(tmp_path / "r", tmp_path / "s", a_csv="\n".join(lines) + "\n")
    assert found == pairs and made.ids == {"user_id": "text", "movie_id": "text"}
    assert any("first column is the movie" in warning for warning in made.warnings) == swapped
    titles = pl.read_parquet(tmp_path / "s/datasets" / made.digest / "titles.parquet")
    assert titles["movie_id"].to_list() == [f"{movie:09}X" for movie in range(9)]


def test_a_header_within_plays_of_text_ids_is_no_row(tmp_path: Path) -> None:
    text = "user_id,item_id\nu1,i1\nUser_ID,Item_ID\nu2,i2\nitem,user\ni3,u3\n"
    made, pairs = _ingest(tmp_path / "r", tmp_path / "s", IngestSettings(feedback="implicit"), a_csv=text)
    assert (pairs, made.rows_read) == ([("u1", "i1"), ("u2", "i2"), ("u3", "i3")], 3)


def test_text_ids_that_are_words_for_an_empty_field_are_a_warning(tmp_path: Path) -> None:
    text = "user_id,item_id,rating\nu1,i1,3\nNone,i2,4\nNone,i3,4\nnan,i2,1\n"
    made, _ = _ingest(tmp_path / "r", tmp_path / "s", a_csv=text)
    said = [warning for warning in made.warnings if "empty field" in warning]
    assert len(said) == 1 and "count as ids (rows): 'None' (2), 'nan' (1)" in said[0]


def test_text_ids_that_look_like_numbers_are_a_warning(tmp_path: Path) -> None:
    rows = "".join(f"{k}{'.0' * (k % 2)},tt0{k},3\n" for k in range(90))
    made, _ = _ingest(tmp_path / "r", tmp_path / "s", a_csv="userID,movieID,rating\n" + rows)
    [warning] = [text for text in made.warnings if "look like numbers" in text]
    assert warning.startswith("The user ids were read as text")


def test_text_ids_of_another_alphabet_are_a_warning_that_names_the_setting(tmp_path: Path) -> None:
    rows = "".join(f"Москва{k},tt0{k},3\n" for k in range(90)).encode("cp1251")
    made, _ = _ingest(tmp_path / "r", tmp_path / "s", a_csv=b"userID,movieID,rating\n" + rows)
    assert any("user ids look like text in another encoding" in text for text in made.warnings)


def test_a_superseded_row_has_its_texts(tmp_path: Path) -> None:
    text = "user,movie,rating,date\nu1,i1,1,2020-01-02\nu1,i1,5,2020-01-01\nu2,i1,3,\n"
    made, _ = _ingest(tmp_path / "r", tmp_path / "s", a_csv=text)
    gone = pl.read_parquet(tmp_path / "s/datasets" / made.digest / "superseded.parquet")
    assert gone.select("user_id", "movie_id", "rating").rows() == [("u1", "i1", 5.0)]


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
def test_a_float_that_is_not_a_number_is_a_missing_id(kind: pa.DataType, tmp_path: Path) -> None:
    users = pa.array([1.5, 2.5, float("nan"), 3.5], kind, from_pandas=False)
    table = parquet(userId=users, movieId=[1, 2, 3, 4], rating=[3, 4, 5, 1])
    loose = IngestSettings(ids="text", max_reject_fraction=0.5)
    made, found = _ingest(tmp_path / "r", tmp_path / "s", loose, a_parquet=table)
    assert found == [("1.5", "1"), ("2.5", "2"), ("3.5", "4")]
    assert made.rejects == {"user_id_missing": 1}
