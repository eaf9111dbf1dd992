"""Settings of the evaluation and of the gate."""

from pydantic import Field

from matinee.settings.ingest import Section


class EvaluateSettings(Section):
    temporal: bool = Field(
        True,
        description="Whether to fit a quick model on older ratings and test it on the latest tenth. For comparison, "
        "a second quick model is fitted without a random tenth of the ratings and tested on that tenth. This is "
        "skipped for data without dates.",
    )
    # nDCG@10 of so many users has a standard error of .0006 on 100 M ratings (docs/notes.md).
    ranking_users: int = Field(
        50_000,
        ge=1,
        description="Maximum number of users whose lists are measured. Only users who liked at least one movie "
        "in the test rows count. If there are more of them, the same random sample is drawn each time.",
    )


class GateSettings(Section):
    tolerance: float = Field(
        0.002,
        ge=0,
        le=10,
        description="Maximum amount, in rating points, by which the RMSE of a candidate may exceed that of the "
        "champion. The same maximum applies when the candidate is compared with the baseline `bias-only`, and with "
        "the champion on each slice of the test rows. "
        "Raise it to publish more often.",
    )
    confidence: float = Field(
        0.95,
        gt=0.5,
        lt=1,
        description="Required confidence that, on all test rows, the RMSE of a candidate exceeds the champion's by at "
        "most gate.tolerance. With less, the candidate is held. For slices, see gate.slices.",
    )
    min_rows: int = Field(
        100,
        ge=1,
        description="Minimum number of test rows that neither model of a comparison was trained on; with fewer, the "
        "candidate is held.",
    )
    ranking_tolerance: float = Field(
        0.005,
        ge=0,
        le=1,
        description="Maximum loss in nDCG@10 of a candidate's lists against the champion's. A candidate is held if it "
        "loses more and the 95% interval of the difference excludes 0. For ratings, the rule is skipped if there are "
        "fewer than 100 users to measure. For plays, the rule differs in two ways. With fewer than 10 users "
        "to measure, the candidate is held. Its lists are also compared with a list of the most popular movies.",
    )
    slices: bool = Field(
        True,
        description="Whether to hold a candidate whose RMSE on a slice of users or movies exceeds the champion's by "
        "more than gate.tolerance. It is held only if the excess is statistically significant at the "
        "level that gate.confidence implies, such as 5% for 0.95.",
    )
    slice_min_rows: int = Field(
        1_000,
        ge=1,
        description="Minimum number of test rows per slice. Smaller slices are only reported.",
    )
    drift: bool = Field(
        True,
        description="Whether to hold a candidate whose data differs too much from the champion's. The drift_* settings "
        "are the limits until there are five datasets that each led to a release. After that, each limit is computed "
        "from the latest such datasets, at most ten. A computed limit is at least half of its setting, and may exceed "
        "the setting.",
    )
    drift_psi: float = Field(
        0.1,
        ge=0,
        le=100,
        description="Limit of the population stability index between the ratings in the new data and in the champion's "
        "data. A value of 0.1 is a moderate shift.",
    )
    drift_psi_new: float = Field(
        0.25,
        ge=0,
        le=100,
        description="Limit of the population stability index between added ratings and the champion's data. It "
        "applies if at least 1,000 rows were added and at most 1% of the champion's rows are missing.",
    )
    drift_new_ids: float = Field(
        0.4,
        ge=0,
        le=1,
        description="Maximum share of rows with a new user, and of rows with a new movie. New ids are those that the "
        "champion's data lacks.",
    )
    drift_lost: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Maximum share of the champion's rows that are missing from the new data. A user who has "
        "five rows fewer than before counts as five missing rows. Movies are counted in the same way, and the larger "
        "of the two sums is used.",
    )
    drift_growth: float = Field(
        1.0,
        ge=0,
        le=1e9,
        description="Maximum growth of the data, as a share of the champion's rows. With 1, the data can double.",
    )
    decay: bool = Field(
        True,
        description="Whether to hold a candidate if small losses have added up since an earlier release, the "
        "anchor. At first, that is the first release. Later, a release that is significantly better than the anchor, "
        "or that a person chooses by promote or rollback, becomes the anchor.",
    )
    decay_tolerances: float = Field(
        2.0,
        ge=1,
        le=1_000,
        description="Maximum loss against the anchor, as a multiple of gate.tolerance (for plays, of "
        "gate.ranking_tolerance).",
    )
    refit_difference: float = Field(
        0.1,
        gt=0,
        le=1,
        description="Only for train.refit=all: maximum mean absolute difference between the predictions of the refit "
        "and of the tested weights, as a share of the scale's width. Usual values are 0.01 to 0.03. Above the limit, "
        "the tested weights are published instead of the refit.",
    )
