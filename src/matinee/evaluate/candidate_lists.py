"""The lists of a candidate against those of a release: which rows they are measured on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matinee.evaluate.compared_model import ComparedModel
from matinee.evaluate.metrics import DatedRatings
from matinee.evaluate.paired_lists import ListRows, PairedLists, RankedModel, pair_lists


@dataclass(frozen=True)
class CandidateLists:
    """A candidate's ranking model, and the rows that its lists are measured on.

    Args:
        model: The model with its ids and scale.
        fitted: The rows that it was fitted on.
        test: The test rows.
        users: Number of user codes.
        relevant_from: Lowest rating that counts as liked.
        most_users: Users to compare at most.
    """

    model: RankedModel
    fitted: DatedRatings
    test: DatedRatings
    users: int
    relevant_from: float
    most_users: int

    def against(self, other: ComparedModel, unseen: NDArray[np.bool_]) -> PairedLists | None:
        """Both lists, measured on the test rows that the other was not trained on; None if it has no way to tell."""
        if other.lists is None:
            return None
        theirs = other.lists()
        if theirs is None:
            return PairedLists.without_champion_lists()
        rows = ListRows(
            seen=self.fitted,
            judged=self.test.take(np.flatnonzero(unseen)),
            hidden=self.test.take(np.flatnonzero(~unseen)),
            users=self.users,
            relevant_from=self.relevant_from,
            most_users=self.most_users,
        )
        return pair_lists(self.model, theirs, rows)
