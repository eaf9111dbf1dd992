"""The page of file formats, generated from the models that read and write the files."""

import ast
import inspect
import json
import pkgutil
import re
import types
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Final, Union, get_args, get_origin

import pandera.polars as pa
from docs_markdown import first_paragraph, table
from pydantic import BaseModel

import matinee

_INTRODUCTION: Final = """\
# File formats

The fields of all files, as declared in the code that reads and writes them. [The store](../architecture.md#the-store)
lists the files of each folder."""
_RULES: Final = (
    (re.compile(r"greater_than_or_equal_to\((.*)\)"), r"≥ \1"),
    (re.compile(r"less_than_or_equal_to\((.*)\)"), r"≤ \1"),
    (re.compile(r"str_length\((\d+), None\)"), r"length ≥ \1"),
    (re.compile(r"isin\((.*)\)", re.DOTALL), r"one of the known codes"),
)


def formats_page() -> str:
    """Tables from the pandera models, JSON documents from the pydantic models."""
    found = list(_declared())
    tables = [model for model in found if issubclass(model, pa.DataFrameModel)]
    documents = [model for model in found if issubclass(model, BaseModel)]
    parts = [
        _INTRODUCTION,
        "## Tables\n\nParquet files. A column that is not nullable has a value in every row.",
    ]
    parts += [_table_format(model) for model in tables]
    parts.append("## Documents\n\nJSON files and the objects in them, by the module that declares them.")
    for module, models in groupby(documents, key=lambda model: model.__module__):
        parts.append(f"### {module.removeprefix('matinee.')}\n\n{first_paragraph(import_module(module))}")
        parts += [_document_format(model) for model in models]
    return "\n\n".join(parts) + "\n"


def _declared() -> Iterator[type[Any]]:
    """Every public pandera and pydantic model of the package except settings, module by module."""
    for module, names in _model_classes().items():
        if not module.startswith("matinee.settings"):
            loaded = import_module(module)
            yield from (getattr(loaded, name) for name in names if not name.startswith("_"))


def _model_classes() -> dict[str, list[str]]:
    """The names of model classes by module. Sources are parsed, because importing every module takes long."""
    bases: dict[tuple[str, str], set[str]] = {}
    for info in pkgutil.walk_packages(matinee.__path__, "matinee."):
        spec = find_spec(info.name)
        if spec is not None and spec.origin is not None:
            for node in ast.parse(Path(spec.origin).read_text("utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    bases[info.name, node.name] = {
                        ast.unparse(base).rpartition(".")[2] for base in node.bases
                    }
    models, known = set[tuple[str, str]](), {"BaseModel", "DataFrameModel"}
    while more := {place for place, names in bases.items() if names & known} - models:
        models |= more
        known |= {name for _, name in more}
    return {
        module: [name for (there, name) in bases if there == module and (there, name) in models]
        for module in sorted({module for module, _ in models})
    }


def _table_format(model: type[pa.DataFrameModel]) -> str:
    rows = []
    for name, column in model.to_schema().columns.items():
        rules = ["unique"] if column.unique else []
        rules += [_rule(str(check.error or check.name)) for check in column.checks]
        rows.append([f"`{name}`", str(column.dtype), "yes" if column.nullable else "", ", ".join(rules)])
    columns = table(["column", "type", "nullable", "rules"], rows)
    return f"### {model.__name__}\n\n{first_paragraph(model)}\n\n{columns}"


def _rule(text: str) -> str:
    for pattern, shown in _RULES:
        text = pattern.sub(shown, text)
    return text


def _document_format(model: type[BaseModel]) -> str:
    fields = model.model_fields.items()
    described = any(field.description for _, field in fields)
    rows = [
        [
            f"`{name}`",
            f"`{_type(field.annotation)}`",
            "" if field.is_required() else "yes",
            *([field.description or ""] if described else []),
        ]
        for name, field in fields
    ]
    keys = table(["key", "type", "optional", *(["meaning"] if described else [])], rows)
    return f"#### {model.__name__}\n\n{first_paragraph(model)}\n\n{keys}"


def _type(annotation: Any) -> str:
    """A type in plain notation, without the rules that pydantic attaches to it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(inner[0])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(each) for each in inner))
    if inner and all(isinstance(each, str) for each in inner):
        return " or ".join(json.dumps(each) for each in inner)
    if inner and inspect.isclass(origin):
        return f"{origin.__name__}[{', '.join('...' if each is ... else _type(each) for each in inner)}]"
    return "null" if annotation is type(None) else getattr(annotation, "__name__", str(annotation))
