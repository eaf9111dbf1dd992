"""The models of a run as references: what is evaluated, what the gate decides on, and what is published."""

from pydantic import BaseModel, ConfigDict

from matinee.store import Reference


class Models(BaseModel):
    """A candidate with its ranking model: the pair that is tested, or the pair that is published.

    Attributes:
        candidate: The weights that predict ratings; None for plays, which train only the ranking model.
        ranking: The model that orders lists; None for a candidate of a version that had none.
    """

    model_config = ConfigDict(frozen=True)

    candidate: Reference | None
    ranking: Reference | None

    @property
    def judged(self) -> Reference:
        """The model that the log and the holds name: the candidate, or the ranking model of plays."""
        found = self.candidate or self.ranking
        assert found is not None  # nosec B101 # for mypy: there is always one of the two
        return found

    @property
    def required_ranking(self) -> Reference:
        """The ranking model of models that this version trained."""
        assert self.ranking is not None  # nosec B101 # for mypy: only a held candidate of earlier versions lacks it
        return self.ranking


class Tested(BaseModel):
    """Models, the split that they were trained on, and their evaluation on its test rows."""

    model_config = ConfigDict(frozen=True)

    split: Reference
    models: Models
    evaluation: Reference
