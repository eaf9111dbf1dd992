"""The page of a comparison."""

from collections.abc import Sequence
from typing import Final

from matinee.errors.text import minute
from matinee.evaluate.comparison.compare import FIGURES
from matinee.evaluate.tables import Table
from matinee.formats.comparison import VERDICTS, ComparedModelNote, Comparison
from matinee.formats.slice_names import SLICE_NAMES
from matinee.publish.report.compare_plots import difference_plot
from matinee.publish.report.pages import render

_DIGITS: Final = 10  # of a digest, as the terminal shows it


def compare_page(comparison: Comparison) -> str:
    """The comparison as one HTML file."""
    others = range(len(comparison.models) - 1 if comparison.slices else 0)
    return render(
        "compare.html",
        comparison=comparison,
        names=[model.name for model in comparison.models],
        figure_names=FIGURES,
        slice_names=SLICE_NAMES,
        verdicts=VERDICTS,
        plots=[difference_plot(comparison, place) for place in others],
        settings=setting_table(comparison),
        models=model_table(comparison.models),
    )


def setting_table(comparison: Comparison) -> Table:
    """The settings that are not the same everywhere."""
    names = [model.name for model in comparison.models]
    return Table(
        ("setting", *names),
        [
            (each.name, *("not set" if value is None else str(value) for value in each.values))
            for each in comparison.settings
        ],
    )


def model_table(models: Sequence[ComparedModelNote]) -> Table:
    """What each model is, where it comes from and what it cost; one column per model."""
    facts: list[tuple[str, Sequence[object]]] = [
        ("kind", [model.kind for model in models]),
        ("model", [model.model for model in models]),
        ("published", [minute(model.created) if model.created else "not published" for model in models]),
        ("dataset", [_short(model.dataset) for model in models]),
        ("split", [_short(model.split) for model in models]),
        ("rows it was fitted on", [model.rows_fitted for model in models]),
        *(
            (f"{label} on its own test rows", [model.figures.get(name) for model in models])
            for name, label in FIGURES.items()
        ),
        ("fit, seconds", [_tenths(model.cost.seconds_train) for model in models]),
        ("compiling, seconds", [_tenths(model.cost.seconds_compile) for model in models]),
        ("fit of the ranking model, seconds", [_tenths(model.cost.seconds_rank) for model in models]),
        ("evaluation, seconds", [_tenths(model.cost.seconds_evaluate) for model in models]),
        ("device", [model.cost.device for model in models]),
        (
            "memory of the run, MB",
            [_tenths(model.cost.peak_bytes, 1e6) for model in models],
        ),
        ("size of the weights, MB", [_tenths(model.cost.bytes, 1e6) for model in models]),
    ]
    rows = [(name, *values) for name, values in facts if any(value is not None for value in values)]
    return Table(("", *(model.name for model in models)), rows)


def _short(digest: str | None) -> str:
    return digest[:_DIGITS] if digest else "unknown"


def _tenths(figure: float | None, unit: float = 1.0) -> str | None:
    return (
        None if figure is None else f"{figure / unit:,.1f}" if figure >= unit / 10 else f"{figure / unit:.3g}"
    )
