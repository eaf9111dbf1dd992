"""Settings of the ranking model."""

from pydantic import Field

from matinee.settings.ingest import Section


class RankSettings(Section):
    """How the ranking model is fitted; the defaults held on four data sets (docs/notes.md)."""

    rank: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="Length of the vectors. If it is not set, the length is 192, or 128 with more than 10,000 movies, "
        "or 64 with more than 100,000 movies.",
    )
    penalty: float | None = Field(
        None,
        gt=0,
        le=1e9,
        description="Strength of the ridge regularization of all weights. By default, it is chosen on held-out ratings "
        "of some users. The values tried are 800 (300 for plays) times powers of 3.",
    )
    dropout: float = Field(
        0.33,
        ge=0,
        lt=1,
        description="Share of each user's ratings that are hidden from the model in the fit.",
    )
    rated_weight: float = Field(
        0.6,
        ge=0,
        le=100,
        description="Weight, in the fit, of the fact that a user rated a movie at all. The rating itself has weight 1.",
    )
    iterations: int = Field(
        6,
        ge=1,
        le=100,
        description="Number of rounds in which the vectors are computed. More rounds are slower and more exact.",
    )
    dense_mb: int = Field(
        4096,
        ge=0,
        le=1 << 20,
        description="Maximum memory for a dense system of equations, in MB. Larger systems are solved by conjugate "
        "gradients.",
    )
