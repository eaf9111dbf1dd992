"""Imports that steps make when they need them, for a time in which the process would only wait."""


def preload() -> None:
    """Import matplotlib, the checks of pandera, the pages of a release and the compiler's tables.

    They take some seconds of a first run.
    """
    from numba.core.registry import cpu_target  # noqa: PLC0415
    from pandera.backends.polars.register import register_polars_backends  # noqa: PLC0415

    from matinee.evaluate import play_step, plots, step, temporal_holdout  # noqa: F401, PLC0415
    from matinee.publish.report import release_page  # noqa: F401, PLC0415

    register_polars_backends()
    cpu_target.target_context.refresh()  # with the first compiled kernel otherwise
