"""The gate for plays without ratings: it compares lists with popularity, the champion and the anchor."""

from matinee.evaluate.drift import Drift
from matinee.evaluate.gate import Decision, judge_drift
from matinee.evaluate.lists_rule import compare_means, is_worse, judge_lists
from matinee.evaluate.paired_lists import PairedLists
from matinee.formats.decision import AnyVerdict, ListsDecayVerdict, PopularityVerdict, RowsVerdict
from matinee.formats.metrics import Ranking
from matinee.settings import GateSettings

_FEWEST_USERS = 10  # with fewer, a standard error over users is too small for a test


def decide_on_plays(
    ranking: Ranking,
    *,
    settings: GateSettings,
    unseen: int | None = None,
    champion: PairedLists | None = None,
    anchor: PairedLists | None = None,
    drift: Drift | None = None,
) -> Decision:
    """Decide on a candidate that has only lists.

    Args:
        ranking: The figures of its lists, and of popularity.
        settings: The limits of the rules.
        unseen: Test rows that neither candidate nor champion was trained on; None without a champion.
        champion: The lists of candidate and champion; None without a champion.
        anchor: The same with the anchor.
        drift: How far the data is from the champion's.

    Returns:
        The result of each rule; with too few rows or users to compare, the candidate is held.
    """
    rules: list[AnyVerdict] = [_beats_popularity(ranking, settings)]
    if champion is not None and unseen is not None:
        rules.insert(0, _has_enough_rows(unseen, settings))
        if rules[0].passed:
            rules.insert(1, judge_lists(champion, settings, fewest_users=_FEWEST_USERS, decides=True))
    if anchor is not None and settings.decay:
        rules.append(_has_not_decayed(anchor, settings))
    if drift is not None and settings.drift:
        rules.append(judge_drift(drift, settings))
    return Decision(
        tuple(rules), becomes_anchor=_is_best_so_far(anchor, settings), main=("lists", "popularity")
    )


def _beats_popularity(ranking: Ranking, settings: GateSettings) -> PopularityVerdict:
    ours, theirs = ranking.recommend.ndcg_at_10, ranking.popularity.ndcg_at_10
    return PopularityVerdict(
        name="popularity",
        passed=ours >= theirs - settings.ranking_tolerance,
        says=f"nDCG@10 {ours:.4f} against {theirs:.4f} of popularity (tolerance {settings.ranking_tolerance:g})",
        users=ranking.users,
        candidate_ndcg_at_10=ours,
        popularity_ndcg_at_10=theirs,
        difference=ours - theirs,
        tolerance=settings.ranking_tolerance,
    )


def _has_enough_rows(unseen: int, settings: GateSettings) -> RowsVerdict:
    says = f"{unseen:,} test plays unseen by both models ({settings.min_rows:,} required)"
    return RowsVerdict(
        name="rows", passed=unseen >= settings.min_rows, says=says, rows=unseen, min_rows=settings.min_rows
    )


def _has_not_decayed(anchor: PairedLists, settings: GateSettings) -> ListsDecayVerdict:
    """Losses that are each too small to hold a candidate add up against the anchor, which stays fixed."""
    users, limit = len(anchor.candidate), settings.decay_tolerances * settings.ranking_tolerance
    if users < _FEWEST_USERS:
        says = f"{users:,} users whose lists can be compared with the anchor's ({_FEWEST_USERS} required)"
        return ListsDecayVerdict(name="lists_decay", passed=False, says=says, users=users, limit=limit)
    says, figures = compare_means(anchor, "anchor")
    return ListsDecayVerdict(
        name="lists_decay",
        passed=not is_worse(anchor, limit),
        says=f"{says} (limit {limit:g})",
        users=users,
        limit=limit,
        **figures,
    )


def _is_best_so_far(anchor: PairedLists | None, settings: GateSettings) -> bool:
    """Whether a candidate's lists are significantly better than the anchor's; always true with `gate.decay=false`."""
    if anchor is None or not settings.decay:
        return True
    return len(anchor.candidate) >= _FEWEST_USERS and anchor.difference.low > 0
