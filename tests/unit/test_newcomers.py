"""The documents are correct: links lead somewhere, commands parse, code runs, and settings of tools agree."""

import ast
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "deploy"))
from docs_markdown import Block, blocks, links, target_of
from docs_pages import page_names, write_pages

from matinee.cli.arguments import parse
from matinee.cli.operations import OPERATIONS
from matinee.settings.parse import setting_names

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = sorted(source for source in page_names() if source.endswith(".md"))
GENERATED: Final = "docs/reference/"
LOCK: Final = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text().split())
TARGETS: Final = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
# Other programs in the shell blocks of documents. All exist on the machines that the block is for.
OTHER_PROGRAMS: Final = {
    *(
        "aws",
        "cp",
        "mkdir",
        "curl",
        "docker",
        "echo",
        "export",
        "install",
        "kubectl",
        "mv",
        "pip",
        "pre-commit",
        "prefect",
        "psql",
        "pg_dump",
        "pg_restore",
        "sudo",
    ),
    *(
        "rm",
        "rsync",
        "source",
        "tar",
        "torchrun",
        "systemctl",
        "journalctl",
        "minisign",
        "openssl",
        "dropdb",
        "createdb",
        "torchrun",
        "git",
        "cd",
        "umask",
    ),
}


def _read(source: str) -> str:
    return (ROOT / source).read_text("utf-8")


def _anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as the forge and the site create them."""
    for block in reversed(list(blocks(text))):
        text = text[: block.span[0]] + text[block.span[1] :]
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("source", DOCUMENTS)
def test_every_link_leads_somewhere(source: str) -> None:
    for link in links(_read(source)):
        target, anchor = target_of(source, link["path"]), link["anchor"]
        if target.startswith(GENERATED):
            continue  # see test_the_generated_reference_is_complete_and_every_page_links_to_pages
        assert (ROOT / target).exists(), f"{source}: {link[0]}"
        if anchor and target.endswith(".md"):
            assert anchor[1:] in _anchors(_read(target)), f"{source}: {link[0]}"


def _blocks_of(*languages: str) -> list[Any]:
    return [
        pytest.param(block, id=f"{source}:{block.line}")
        for source in DOCUMENTS
        for block in blocks(_read(source))
        if block.language in languages
    ]


@pytest.mark.parametrize("block", _blocks_of("bash", "sh", ""))
def test_commands_exist_and_parse(block: Block) -> None:
    for given in _commands(block):
        in_container = given[:2] in (["docker", "run"], ["docker", "compose"]) and "matinee" in given
        words = given[given.index("matinee") :] if in_container else given
        program = words[0]
        if program == "matinee":
            if words[1] == "--version":
                continue
            if words[1] in OPERATIONS:
                continue  # `matinee up` and other services parse their options when they start
            parse(words[1:])
        elif program == "make":
            assert set(words[1:]) - {word for word in words if "=" in word} <= TARGETS
        elif program.startswith(".venv/bin/"):
            assert all((ROOT / word).exists() for word in words[1:] if word.startswith("tests/"))
        elif program == "python":
            assert (ROOT / words[1]).is_file()
        else:
            assert program in OTHER_PROGRAMS, words


def _commands(block: Block) -> Iterator[list[str]]:
    """The commands of a block. A block without a language is output, unless it starts with a known command."""
    text = block.code.replace("\\\n", " ")
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    if block.language or first in {"make", "matinee", "pip", "prefect", "python", "sudo", "export"}:
        for line in text.splitlines():
            if words := shlex.split(line, comments=True):
                yield words


@pytest.mark.parametrize("block", _blocks_of("python"))
def test_python_blocks_compile_and_import_existing_names(block: Block) -> None:
    compile(block.code, "a block", "exec")
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("matinee"):
            exec(ast.unparse(node), {})  # the names exist


@pytest.mark.parametrize(
    "page", [source for source in DOCUMENTS if "how-to/add-" in source or "CONTRIB" in source]
)
def test_names_in_the_guides_exist_in_the_code(page: str) -> None:
    files = [
        *(ROOT / "src/matinee").rglob("*.py"),
        *(file for folder in ("flows", "tasks", "schemas") for file in (ROOT / folder).glob("*.py")),
        *(ROOT / "tests").rglob("*.py"),
    ]
    code = "\n".join(file.read_text("utf-8") for file in files)
    for name in re.findall(r"`(_?[A-Z]\w+(?:\.\w+)?|_\w+|\w+\.\w+)`", _read(page)):
        known = (ROOT / name).exists() or any(
            (ROOT / folder / name).exists() for folder in ("src", "docs", "drop")
        )
        used = all(
            re.search(rf"\b{re.escape(part)}\b", code) for part in name.removeprefix("self.").split(".")
        )
        assert known or used, f"{page}: `{name}`"


@pytest.mark.parametrize("block", _blocks_of("toml", "json"))
def test_settings_in_the_documents_are_valid(block: Block, tmp_path: Path) -> None:
    from matinee.settings.parse import read_settings

    file = tmp_path / f"settings.{block.language}"
    file.write_text(block.code)
    assert read_settings(file=file) != read_settings()


@pytest.mark.parametrize("block", _blocks_of("yaml"))
def test_parameters_and_services_in_the_documents_exist(block: Block) -> None:
    arguments = ast.parse(_read("flows/nightly.py"))
    (flow,) = [node for node in ast.walk(arguments) if getattr(node, "name", "") == "nightly"]
    assert isinstance(flow, ast.FunctionDef)
    known = {argument.arg for argument in flow.args.args}
    shown = yaml.safe_load(block.code)
    if "services" in shown:  # of compose.yaml
        assert shown["services"].keys() <= yaml.safe_load(_read("compose.yaml"))["services"].keys()
    else:
        assert shown["parameters"].keys() <= known


def test_the_tree_of_the_readme_names_every_folder_and_only_existing_files() -> None:
    tree = _read("README.md").partition("## The tree\n\n```\n")[2].partition("```")[0]
    listed = set()
    for line in tree.splitlines():
        path, _, meaning = line.strip().partition(" ")
        folder = ROOT / "src/matinee" / path if line.startswith(" ") else ROOT / path
        assert all((folder / name).is_file() for name in re.findall(r"[\w/]+\.py\b", meaning)), line
        listed.add(folder)
    folders = {file.parent for file in ROOT.glob("src/matinee/*/__init__.py") if not file.parent.is_symlink()}
    assert folders <= listed
    assert all(path.exists() for path in listed)


def test_every_code_block_has_a_tested_language() -> None:
    known = {
        "",
        "bash",
        "sh",
        "python",
        "toml",
        "json",
        "yaml",
        "text",
        "mermaid",
    }  # text is output, mermaid a picture
    for source in DOCUMENTS:
        assert {block.language for block in blocks(_read(source))} <= known, source


def test_the_generated_reference_is_complete_and_every_page_links_to_pages(tmp_path: Path) -> None:
    write_pages(tmp_path)
    pages = {
        path.relative_to(tmp_path).as_posix(): path.read_text("utf-8") for path in tmp_path.rglob("*.md")
    }
    for name, text in pages.items():
        for link in links(text):
            assert (tmp_path / target_of(name, link["path"])).is_file(), f"{name}: {link[0]}"
    for setting in setting_names():
        assert f"| `{setting}` |" in pages["reference/settings.md"]
    verbs = pages["reference/command-line.md"]
    assert {"## retrain\n", "## up\n", "## units\n", "`--fail-on-hold`", "`--drop DIR`"} <= {
        *re.findall(r"^## .*\n", verbs, re.MULTILINE),
        *re.findall(r"`--.*?`", verbs),
    }
    formats = pages["reference/formats.md"]
    assert {"Manifest", "Pointer", "Entry", "Ratings", "Rejects"} <= set(re.findall("###+ (.*)", formats))
    assert "| `rating` | Float32 |" in formats


def test_the_glossary_has_each_word_once() -> None:
    rows = re.findall(r"^\| (.+?) \| .+ \|$", _read("docs/glossary.md"), re.MULTILINE)
    words = [word.strip("` ") for row in rows if row not in ("word", "---") for word in row.split(",")]
    assert len(words) > 60
    assert sorted(set(words)) == sorted(words)


def test_pre_commit_runs_the_linters_of_the_lock() -> None:
    hooks = yaml.safe_load(_read(".pre-commit-config.yaml"))["repos"]
    revisions = {hook["id"].partition("-")[0]: repo.get("rev") for repo in hooks for hook in repo["hooks"]}
    assert revisions["ruff"] == f"v{LOCK['ruff']}"
    assert revisions["bandit"] == LOCK["bandit"]
    assert revisions["mypy"] is None, "mypy runs from .venv, at the lock's version"


def test_the_workflow_runs_ci_on_every_declared_python() -> None:
    job = yaml.safe_load(_read(".github/workflows/check.yml"))["jobs"]["test"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert _read(".ci/run").splitlines()[-1] == "make lint test"
    project = tomllib.loads(_read("pyproject.toml"))["project"]
    declared = [each.rpartition(" ")[2] for each in project["classifiers"] if re.search(r":: 3\.\d+$", each)]
    assert job["strategy"]["matrix"]["python"] == declared
    assert "macos-latest" in json.dumps(job["strategy"])


def test_the_citation_has_this_version() -> None:
    project = tomllib.loads(_read("pyproject.toml"))["project"]
    cited = yaml.safe_load(_read("CITATION.cff"))
    assert cited.keys() >= {"cff-version", "message", "title", "authors", "version", "license"}
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
    for template in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"):
        assert yaml.safe_load(template.read_text("utf-8"))


def test_make_docs_installs_the_declared_packages() -> None:
    declared = tomllib.loads(_read("pyproject.toml"))["project"]["optional-dependencies"]["docs"]
    names = [re.split("[>=<]", each)[0] for each in declared]
    assert " ".join(names) in _read("Makefile")
