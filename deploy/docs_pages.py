"""The pages of the documentation site: those of docs/, the documents of the root, and the generated reference.

`make docs` runs this script in the project's environment. mkdocs then builds the pages in a separate environment.

A link from docs/ to a source file works on the forge, but not on the site. So it is replaced by a link to a page that
shows the file.
"""

import argparse
import json
import os
import posixpath
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from docs_markdown import links, target_of, without_escapes
from docs_reference import reference_pages

ROOT: Final = Path(__file__).parents[1]
# Documents of the root by their page: the README is the front page.
ROOT_PAGES: Final[Mapping[str, str]] = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "CHANGELOG.md": "project/changelog.md",
}


def write_pages(out: Path) -> None:
    """Write everything that mkdocs needs into a folder.

    Args:
        out: The folder. It is emptied first.

    Raises:
        ValueError: A page links to a file that does not exist.
    """
    shutil.rmtree(out, ignore_errors=True)
    pages = page_names()
    reference = reference_pages()
    linked: set[str] = set()
    for source, page in pages.items():
        (out / page).parent.mkdir(parents=True, exist_ok=True)
        if not source.endswith(".md"):
            shutil.copy(ROOT / source, out / page)
            continue
        text = (ROOT / source).read_text("utf-8")
        text = _redirect(text, source, page, pages={**pages, **{f"docs/{name}": name for name in reference}})
        linked |= _linked_sources(source, pages=pages)
        (out / page).write_text(without_escapes(text), "utf-8")
    for name, text in {**reference, **{_source_page(path): _show(ROOT / path) for path in linked}}.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(without_escapes(text), "utf-8")


def page_names() -> dict[str, str]:
    """The page of each hand-written file: index.md for README.md, x.md for docs/x.md."""
    docs = ROOT / "docs"
    files = (
        path for path in sorted(docs.rglob("*")) if path.is_file() and path.suffix in {".css", ".md", ".png"}
    )
    pages = {path.relative_to(ROOT).as_posix(): path.relative_to(docs).as_posix() for path in files}
    return pages | {source: page for source, page in ROOT_PAGES.items() if (ROOT / source).is_file()}


def _redirect(text: str, source: str, page: str, *, pages: Mapping[str, str]) -> str:
    """A document whose links lead to pages instead of files."""
    parts, end = [], 0
    for link in links(text):
        target = target_of(source, link["path"])
        if target not in pages and not (ROOT / target).exists():
            raise ValueError(f"{source} links to {target}, which does not exist")
        there = pages.get(target) or _source_page(target)
        parts += [
            text[end : link.start()],
            f"]({os.path.relpath(there, posixpath.dirname(page) or '.')}{link['anchor'] or ''})",
        ]
        end = link.end()
    return "".join([*parts, text[end:]])


def _linked_sources(source: str, *, pages: Mapping[str, str]) -> set[str]:
    """The files and folders that a document links to and that are not pages."""
    targets = {target_of(source, link["path"]) for link in links((ROOT / source).read_text("utf-8"))}
    return {target for target in targets - pages.keys() if (ROOT / target).exists()}


def _source_page(path: str) -> str:
    return f"source/{path}.md"


def _show(path: Path) -> str:
    """A page with the text of a file, or with the names of the files in a folder."""
    name = path.relative_to(ROOT).as_posix()
    if path.is_dir():
        files = sorted(file.name for file in path.iterdir() if file.is_file())
        return "\n".join([f"# {name}/", "", *(f"- `{file}`" for file in files), ""])
    if path.suffix == ".ipynb":
        return _show_notebook(name, json.loads(path.read_text("utf-8"))["cells"])
    kind = {".py": "python", ".toml": "toml", ".yaml": "yaml"}.get(path.suffix, "text")
    return f"# {name}\n\n~~~~~~ {kind}\n{path.read_text('utf-8')}\n~~~~~~\n"


def _show_notebook(name: str, cells: list[dict[str, Any]]) -> str:
    """A notebook's text and code, without outputs."""
    texts = ["".join(cell["source"]) for cell in cells]
    parts = [
        text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```"
        for cell, text in zip(cells, texts, strict=True)
    ]
    return "\n\n".join([*parts, f"From `{name}`.", ""])


def main() -> int:
    """Write the pages into the folder that is named on the command line."""
    parser = argparse.ArgumentParser(description="Write the pages of the documentation site.")
    parser.add_argument("out", type=Path, help="folder for the pages; its content is removed first")
    write_pages(parser.parse_args().out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
