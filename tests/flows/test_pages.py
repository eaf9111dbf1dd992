"""The pages of a run: text from users' files is shown as text, and no page can fail a run."""

import logging
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from matinee.formats.base import Manifest
from matinee.formats.manifests import EvaluationManifest
from matinee.publish.markdown import escape, table
from matinee.settings import Settings
from matinee.settings.parse import read_settings
from matinee.store import Plan, Reference, Store
from matinee.store.files import write_json
from matinee.tasks import artifacts, pages
from matinee.tasks.artifacts import show
from matinee.tasks.names import data_name, model_name, short_count


class _Cells(HTMLParser):
    """The tags of a document and the text of its cells."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag == "td":
            self.texts.append("")

    def handle_data(self, data: str) -> None:
        if "td" in self.tags and data.strip("\n"):
            self.texts[-1] += data


@given(st.text())
@example("a | b")
@example("`code` **bold** _it_ [link](http://x) ![p](q)")
@example("<script>alert(1)</script> &lt; &#60;")
@example("one\ntwo\r\nthree\u2028four")
@example("\\| \\` https://example.org user@example.org ~~x~~")
def test_any_text_is_shown_unchanged_in_a_cell(text: str) -> None:
    rendered = _Cells(MarkdownIt("gfm-like", {"linkify": False}).render(table(["head"], [(f"<{text}>",)])))
    assert rendered.tags == ["table", "thead", "tr", "th", "tbody", "tr", "td"]
    assert "".join(rendered.texts).split() == _plain(f"<{text}>").split()


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", escape(text))


def test_markup_and_line_ends_are_escaped() -> None:
    assert escape("a|b`<script>\r\n[x](y) \\ _y_") == r"a\|b\`\<script> \[x\](y) \\ \_y\_"


@pytest.mark.parametrize(
    "text",
    [
        "best: Toy Story (1995), Terminator 2: Judgment Day",
        "nDCG@10",
        "+0.0012 ± 0.0003",
        "17:27 UTC",
        "AT&T & movie_id",
    ],
)
def test_text_without_markup_can_be_read_as_it_is(text: str) -> None:
    assert escape(text) == text


@pytest.mark.parametrize(
    "text",
    ["http://evil.example", "www.evil.example", "_www.evil.example", "x@evil.example", "a :smile: b", "@who"],
)
def test_no_address_emoji_or_person_is_made_of_a_title(text: str) -> None:
    assert "\\" in escape(text)


@given(st.text())
@pytest.mark.parametrize(
    "start", ["", "# ", "> ", "- ", "+ ", "* ", "12. ", "3) ", "---", "    ", "&amp;", "__x__ "]
)
def test_any_text_is_one_paragraph(start: str, text: str) -> None:
    rendered = MarkdownIt("gfm-like", {"linkify": False}).parse(escape(f"{start}{text}x"))
    assert [each.type for each in rendered] == ["paragraph_open", "inline", "paragraph_close"]
    assert {each.type for each in rendered[1].children or []} <= {"text", "text_special"}


def test_a_failed_page_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("the server is away")

    monkeypatch.setattr(artifacts, "create_markdown_artifact", refuse)
    monkeypatch.setitem(artifacts.PAGES, "encode", {"ids": lambda *_: "text"})
    made = Reference(kind="datasets", digest="gone", location="datasets/gone", rows=1)
    logger = logging.getLogger("matinee")
    monkeypatch.setattr(logger, "propagate", True)
    with caplog.at_level(logging.WARNING):
        show("ingest", Store(tmp_path), made)
        show("encode", Store(tmp_path), made)
    assert "data could not be shown" in caplog.text
    assert "the server is away" in caplog.text


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        (["/data/netflix/ratings.csv"], "netflix"),
        (["/data/netflix/combined_data_1.txt", "/data/netflix/combined_data_2.txt"], "netflix +1"),
        (["/data/ml-25m.csv"], "ml-25m"),
        (["/data/netflix"], "netflix"),
        (["/data/netflix/*.txt"], "netflix"),
    ],
)
def test_a_run_is_named_after_its_data(paths: list[str], name: str) -> None:
    assert data_name(paths) == name


def test_a_run_is_named_after_its_model() -> None:
    assert model_name(Settings()) == "dot fast"
    assert model_name(read_settings(preset="accurate")) == "dot accurate"
    assert [short_count(rows) for rows in (100_480_507, 40_000, 12)] == ["100.5M", "40.0k", "12"]


@pytest.mark.parametrize(
    ("chosen", "name"),
    [
        ("train.seed=7", "dot fast"),
        ("train.epochs=3", "dot"),
        ("train.method=adam", "dot"),
        ("model.name=mlp", "mlp"),
    ],
)
def test_a_run_has_the_name_of_a_preset_only_with_its_settings(chosen: str, name: str) -> None:
    assert model_name(read_settings(assignments=[chosen])) == name


def test_contradicting_settings_have_a_name_until_the_flow_refuses_them() -> None:
    contradicting = {"model": {"name": "mlp"}, "train": {"method": "gibbs"}}
    assert model_name(Settings.model_validate(contradicting)) == "mlp"


def test_the_page_of_a_hold_has_every_figure_and_how_to_promote(tmp_path: Path) -> None:
    """The page has the figures of a rule and of its groups, the tested slices, and how to promote the candidate."""
    slices = [{"slicing": "date", "slice": "2005", "rows": 4_000, "difference": 0.5}]
    tested = [each | {"standard_error": 0.125, "p": 0.0625} for each in slices]
    rules = [
        {"name": "champion", "passed": False, "says": "worse", "rows": 77, "known_ids": {"rows": 66}},
        {"name": "slices", "passed": True, "says": "none", "worse": [], "tested": tested, "min_rows": 9},
    ]
    store = Store.open(tmp_path)

    def make(folder: Path) -> Manifest:
        write_json(folder / "decision.json", {"promoted": False, "reason": "Held: worse.", "rules": rules})
        return EvaluationManifest(
            candidate="c0ffee",
            split="5",
            settings={},
            rows=77,
            rmse=1.0,
            promoted=False,
            reason="Held: worse.",
            champion=None,
        )

    page = pages.gate_report(store, store.ensure(Plan("evaluations", "e", make)))
    for line in (
        "# Gate: held",
        "| champion | rows | 77 |",
        "| champion | known ids rows | 66 |",
        "| date | 2005 | 4,000 | 0.5000 | 0.1250 | 0.0625 |",
        f"matinee promote --store {tmp_path} c0ffee",
    ):
        assert line in page


def test_text_on_a_page_has_no_direction_marks_and_can_be_encoded() -> None:
    assert escape("\u202egnp.exe\udcff\u200b") == r"\\u202egnp.exe\\udcff\\u200b"
    assert escape("x" * 10_000).endswith("(10,000 characters)")


def test_progress_is_a_bar_on_the_page_and_a_line_every_half_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from uuid import uuid4

    from matinee.store.progress import Amount, Work
    from matinee.tasks import step_progress

    made: list[float] = []
    monkeypatch.setattr(
        step_progress, "create_progress_artifact", lambda done, **how: made.append(done) or uuid4()
    )
    monkeypatch.setattr(
        step_progress, "update_progress_artifact", lambda artifact, *, progress, **how: made.append(progress)
    )
    page = step_progress._Page(Work(), "ingest", logs=True)
    began = page._last_line
    with caplog.at_level("INFO", "matinee.progress"):
        for second in range(0, 62, 3):
            page(Amount("reading ratings", second, 100, "rows", "", began), began + second)
    assert made == pytest.approx(list(range(0, 62, 3)))
    assert [record.getMessage() for record in caplog.records] == [
        "reading ratings   30%  30 of 100 rows  1 row/s  1:10 left",
        "reading ratings   60%  60 of 100 rows  1 row/s  0:40 left",
    ]

    def fail(artifact: object, **how: object) -> None:
        made.append(-1)
        raise OSError

    monkeypatch.setattr(step_progress, "update_progress_artifact", fail)
    for second in (63, 66):
        page(Amount("reading ratings", second, 100, "rows", "", began), began + second)
    assert made[-2:] == pytest.approx([60, -1])
