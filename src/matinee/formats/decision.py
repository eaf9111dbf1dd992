"""decision.json of an evaluation: what the gate decided, rule by rule, with every figure that it went by."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, JsonValue

from matinee.formats.base import Format

# psi, psi_new, new_users, new_movies, lost and growth: `matinee.evaluate.drift.compare` has the formulas.
DriftFigures = dict[str, float]
_BY_HAND: Final = "Promoted by hand, although the gate said: "


class Verdict(Format):
    """What one rule says of a candidate; a rule that failed holds it."""

    name: str = Field(description="Name of the rule.")
    passed: bool = Field(description="Whether it passed.")
    says: str = Field(description="The reason, in one sentence.")

    @property
    def figures(self) -> dict[str, JsonValue]:
        """The rule's own figures, by name."""
        values = self.model_dump(mode="json")
        return {name: value for name, value in values.items() if name not in ("name", "passed", "says")}


class RowsVerdict(Verdict):
    """Enough rows are left that neither model was trained on."""

    name: Literal["rows"]
    rows: int = Field(description="Test rows that neither model was trained on.")
    min_rows: int = Field(description="`gate.min_rows`.")


class KnownIds(Format):
    """The comparison on the rows whose user and movie both models know."""

    rows: int = Field(description="Number of such rows.")
    difference: float = Field(description="RMSE of the candidate less that of the other.")
    standard_error: float = Field(description="Its standard error, clustered by user and by movie.")


class ChampionVerdict(Verdict):
    """The candidate is not worse than the champion by more than the tolerance."""

    name: Literal["champion"]
    rows: int = Field(description="Test rows that neither model was trained on.")
    candidate_rmse: float = Field(description="RMSE of the candidate on them.")
    champion_rmse: float = Field(description="RMSE of the champion on them.")
    difference: float = Field(description="The first less the second.")
    standard_error: float = Field(description="Its standard error, clustered by user and by movie.")
    upper_bound: float = Field(description="Upper bound of the difference at `confidence`.")
    confidence: float = Field(description="`gate.confidence`.")
    tolerance: float = Field(description="`gate.tolerance`; the bound may not be above it.")
    detectable: float = Field(description="Smallest true difference that these rows show at `power`.")
    power: float = Field(description="Probability that these rows show it.")
    known_ids: KnownIds | None = Field(description="The same on known ids; null where there are none.")


class BiasOnlyVerdict(Verdict):
    """The candidate is not worse than bias-only by more than the tolerance."""

    name: Literal["bias_only"]
    rows: int = Field(description="All test rows.")
    candidate_rmse: float = Field(description="RMSE of the candidate.")
    bias_only_rmse: float = Field(description="RMSE of bias-only.")
    difference: float = Field(description="The first less the second.")
    tolerance: float = Field(description="`gate.tolerance`; the difference may not be above it.")


class SliceTest(Format):
    """The comparison with the champion on one slice."""

    slicing: str = Field(description="What the rows are cut by.")
    slice: str = Field(description="Name of the slice.")
    rows: int = Field(description="Rows that neither model was trained on.")
    difference: float = Field(description="RMSE of the candidate less that of the champion.")
    standard_error: float = Field(description="Its standard error, clustered by user and by movie.")
    p: float = Field(description="Probability of such a difference if the true one were the tolerance.")


class SlicesVerdict(Verdict):
    """On no slice is the candidate worse beyond doubt, by Holm's correction."""

    name: Literal["slices"]
    worse: list[SliceTest] = Field(description="Slices that are worse beyond doubt.")
    tested: list[SliceTest] = Field(description="All slices with enough rows, by ascending p.")
    min_rows: int = Field(description="`gate.slice_min_rows`.")


class ListsVerdict(Verdict):
    """The candidate's lists are not worse than the champion's. Where not judged, the figures end at `tolerance`."""

    name: Literal["lists"]
    judged: bool = Field(description="Whether the champion has lists, and enough users can be compared.")
    users: int = Field(description="Users who liked a test row that neither model was trained on.")
    min_users: int = Field(description="Minimum number of users; with fewer, the rule is skipped.")
    tolerance: float = Field(description="`gate.ranking_tolerance`; an nDCG@10 lower by at most this passes.")
    candidate_ndcg_at_10: float = Field(0.0, description="nDCG@10 of the candidate's lists.")
    champion_ndcg_at_10: float = Field(0.0, description="nDCG@10 of the champion's lists.")
    difference: float = Field(0.0, description="The first less the second, mean over users.")
    standard_error: float = Field(0.0, description="Its standard error over users.")
    low: float = Field(0.0, description="Lower end of its two-sided 95% interval.")
    high: float = Field(0.0, description="Upper end; a candidate is held only if it is below 0.")


class PopularityVerdict(Verdict):
    """Only for plays: the lists are better than popularity."""

    name: Literal["popularity"]
    users: int = Field(description="Users whose test rows are looked for.")
    candidate_ndcg_at_10: float = Field(description="nDCG@10 of the candidate's lists.")
    popularity_ndcg_at_10: float = Field(description="nDCG@10 of popularity on the same users.")
    difference: float = Field(description="The first less the second.")
    tolerance: float = Field(description="`gate.ranking_tolerance`; an nDCG@10 lower by at most this passes.")


class ListsDecayVerdict(Verdict):
    """Only for plays: small losses have not added up against the anchor's lists."""

    name: Literal["lists_decay"]
    users: int = Field(description="Users with a test row that neither model was trained on.")
    limit: float = Field(description="`gate.decay_tolerances` times `gate.ranking_tolerance`.")
    candidate_ndcg_at_10: float = Field(0.0, description="nDCG@10 of the candidate's lists.")
    anchor_ndcg_at_10: float = Field(0.0, description="nDCG@10 of the anchor's lists.")
    difference: float = Field(0.0, description="The first less the second, mean over users.")
    standard_error: float = Field(0.0, description="Its standard error over users.")
    low: float = Field(0.0, description="Lower end of its two-sided 95% interval.")
    high: float = Field(0.0, description="Upper end; a candidate is held only if it is below 0.")


class DecayVerdict(Verdict):
    """Small losses have not added up against the anchor. With too few rows the figures end at `limit`."""

    name: Literal["decay"]
    rows: int = Field(description="Test rows that the anchor was not trained on either.")
    min_rows: int = Field(description="`gate.min_rows`.")
    limit: float = Field(description="`gate.decay_tolerances` tolerances; the bound may not be above it.")
    candidate_rmse: float = Field(0.0, description="RMSE of the candidate.")
    anchor_rmse: float = Field(0.0, description="RMSE of the anchor.")
    difference: float = Field(0.0, description="The first less the second.")
    standard_error: float = Field(0.0, description="Its standard error, clustered by user and by movie.")
    upper_bound: float = Field(0.0, description="Upper bound of the difference at `gate.confidence`.")
    known_ids: KnownIds | None = Field(None, description="The same on known ids; null where there are none.")


class DriftVerdict(Verdict):
    """The data is like the champion's. Each figure is a share or an index, and may not be above its limit."""

    name: Literal["drift"]
    psi: float = Field(description="Population stability index between the ratings and the champion's.")
    psi_new: float = Field(description="The same for the ratings that came since.")
    new_users: float = Field(description="Share of rows of users that the champion's data lacks.")
    new_movies: float = Field(description="Share of rows of movies that it lacks.")
    lost: float = Field(description="Share of its rows that are gone.")
    growth: float = Field(description="Additional rows as a share of its rows.")
    psi_limit: float = Field(description="Limit of `psi`.")
    psi_new_limit: float = Field(description="Limit of `psi_new`.")
    new_users_limit: float = Field(description="Limit of `new_users`.")
    new_movies_limit: float = Field(description="Limit of `new_movies`.")
    lost_limit: float = Field(description="Limit of `lost`.")
    growth_limit: float = Field(description="Limit of `growth`.")
    past_datasets: int = Field(description="Earlier datasets whose figures set the limits.")


class RefitVerdict(Verdict):
    """A refit on all rows is like the weights that were tested. Weights that are not numbers have no figures."""

    name: Literal["refit"]
    finite: bool = Field(description="Whether all weights are numbers.")
    refit_rmse: float = Field(0.0, description="RMSE of the refit on the test rows, which it has seen.")
    tested_rmse: float = Field(0.0, description="RMSE of the tested weights on them.")
    tolerance: float = Field(0.0, description="`gate.tolerance`; the first may be above the second by it.")
    difference: float = Field(0.0, description="Mean absolute difference of predictions on random pairs.")
    limit: float = Field(0.0, description="Its limit: `gate.refit_difference` times the scale's width.")
    pairs: int = Field(0, description="Number of random pairs.")


AnyVerdict = Annotated[
    RowsVerdict
    | ChampionVerdict
    | BiasOnlyVerdict
    | SlicesVerdict
    | ListsVerdict
    | PopularityVerdict
    | ListsDecayVerdict
    | DecayVerdict
    | DriftVerdict
    | RefitVerdict
    | Verdict,  # of a rule that another version has
    Field(union_mode="left_to_right"),
]


class JudgedRows(Format):
    """How many rows the decision is about."""

    test: int = Field(description="All test rows.")
    compared: int = Field(description="Those that neither the candidate nor the champion was trained on.")


class DecisionFile(Format):
    """decision.json."""

    NAME: ClassVar[str] = "decision.json"

    promoted: bool = Field(description="Whether the candidate may replace the champion.")
    reason: str = Field(description="Why, in one line.")
    champion: str | None = Field(None, description="The release it was compared with; null without one.")
    anchor: str | None = Field(None, description="The release that small losses add up against.")
    becomes_anchor: bool = Field(True, description="Whether it becomes the anchor once it is released.")
    drifts: list[DriftFigures] = Field(
        [], description="Drift of this dataset and of earlier ones, oldest first."
    )
    rows: JudgedRows = Field(JudgedRows(test=0, compared=0), description="Rows of the decision.")
    rules: list[AnyVerdict] = Field(description="The rules, in the order in which they were checked.")


def by_hand(reason: str) -> str:
    """The reason of a release whose candidate the gate had held.

    >>> by_hand("Held: RMSE 0.95 against 0.91.")
    'Promoted by hand, although the gate said: Held: RMSE 0.95 against 0.91.'
    """
    return reason if reason.startswith(_BY_HAND) else f"{_BY_HAND}{reason}"
