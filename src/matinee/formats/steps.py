"""The steps of the flows by name: the tasks in Prefect, and the keys under which a run reports a step."""

from enum import StrEnum


class Step(StrEnum):
    """A step. Scripts read these names in `seconds`, `cached` and `folders` of `--json`: add, never rename."""

    TAKE_IN = "take in"
    INGEST = "ingest"
    PROGRESSIVE = "progressive"
    ENCODE = "encode"
    SPLIT = "split"
    TRAIN = "train"
    RANK = "rank"
    EVALUATE = "evaluate"
    REFIT = "refit"
    REFIT_RANKING = "refit_ranking"
    PUBLISH = "publish"
    RECOMMEND = "recommend"
    PRUNE = "prune"
