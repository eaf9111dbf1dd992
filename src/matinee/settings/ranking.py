"""Settings of the ranking model, one sentence each."""

from pydantic import Field

from matinee.settings.ingest import Section


class RankSettings(Section):
    """How the ranking model is fitted; the defaults held on four data sets (docs/notes.md)."""

    rank: int | None = Field(
        None, ge=1, le=4096, description="Numbers per vector; default 384, and 128 above 10,000 movies."
    )
    penalty: float = Field(800.0, gt=0, le=1e9, description="Ridge penalty on every weight.")
    dropout: float = Field(
        0.5, ge=0, lt=1, description="Share of a user's ratings that the model learns to do without."
    )
    rated_weight: float = Field(
        0.6,
        ge=0,
        le=100,
        description="What a rating of any height counts as a target; a just liked one counts one more.",
    )
    iterations: int = Field(6, ge=1, le=100, description="Rounds of subspace iteration.")
    dense_mb: int = Field(
        4096,
        ge=0,
        le=1 << 20,
        description="Memory for a dense system of equations; a larger one is solved by conjugate gradients.",
    )
