"""Checks of HTML pages that need no browser: structure, names for readers who do not see, contrast, and no requests."""

import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise

_VOID = {"meta", "br", "img", "path", "use", "rect"}
_MOST_BYTES = 3_000_000
_LEAST_CONTRAST = 4.5  # of text: WCAG 2.2, AA
_TEXT = ("ink", "quiet", "model", "good", "bad")


class _Page(HTMLParser):
    """The start tags of a page, and the texts of its elements by tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def attributes(self, tag: str) -> list[dict[str, str]]:
        """The attributes of all elements of a tag."""
        return [found for name, found in self.tags if name == tag]


def check_page(text: str) -> None:
    """Fail if a page asks for another file, runs a script, or lacks what a screen reader needs."""
    assert len(text.encode()) < _MOST_BYTES
    page = _Page(text)
    names = Counter(tag for tag, _ in page.tags)
    assert names["script"] == names["link"] == names["iframe"] == 0
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        target = attributes.get("src") or attributes.get("href") or "#"
        assert target.startswith(("#", "data:image/png;base64,")), (tag, target[:80])
    assert "@import" not in text and not re.search(r"url\((?!#)", text)
    assert (names["h1"], names["main"], names["header"], names["title"]) == (1, 1, 1, 1)
    assert page.attributes("html")[0]["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels
    assert all(each.get("alt") for each in page.attributes("img"))
    assert all(
        (each.get("role"), bool(each.get("aria-label"))) == ("img", True) for each in page.attributes("svg")
    )
    assert all(each.get("scope") in ("col", "row") for each in page.attributes("th"))
    regions = Counter(each["aria-label"] for each in page.attributes("div") if each.get("role") == "region")
    assert max(regions.values(), default=1) == 1, regions.most_common(3)
    assert names["caption"] + text.count('class="lists"') == names["table"]
    ids = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert max(ids.values()) == 1, ids.most_common(3)
    targets = {
        each["href"][1:] for each in (*page.attributes("a"), *page.attributes("use")) if each.get("href")
    }
    assert targets <= ids.keys()
    for theme in re.findall(r":root \{(.*?)\}", text, re.DOTALL):
        colors = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", theme))
        for name in _TEXT:
            for ground in ("paper", "shade"):
                assert contrast(colors[name], colors[ground]) >= _LEAST_CONTRAST, (name, ground)


def contrast(first: str, second: str) -> float:
    """The contrast of two colors, such as `#1c2126`, as WCAG defines it: 1 to 21."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    parts = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
