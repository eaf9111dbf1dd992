"""The gate's rule `lists`: a candidate whose lists are worse than the champion's beyond doubt is held."""

from matinee.errors.text import signed
from matinee.evaluate.paired_lists import PairedLists
from matinee.formats.decision import ListsVerdict
from matinee.settings import GateSettings

_MIN_USERS = 100  # with fewer, the lists say too little


def judge_lists(
    lists: PairedLists, settings: GateSettings, *, fewest_users: int = _MIN_USERS, decides: bool = False
) -> ListsVerdict:
    """Hold a candidate if nDCG@10 is lower by more than `gate.ranking_tolerance` and the 95% interval is below 0.

    Args:
        lists: nDCG@10 of candidate and champion for the same users.
        settings: `ranking_tolerance`.
        fewest_users: Users that it takes to compare lists.
        decides: Whether no other rule compares the two; then a candidate that cannot be compared is held.

    Returns:
        The verdict; passed without a comparison if there are too few users or no lists of the champion's, unless it
        decides.
    """
    users = len(lists.candidate)
    obstacle = _obstacle(lists, fewest_users)
    if obstacle:
        return ListsVerdict(
            name="lists",
            passed=not decides,
            says=f"{obstacle}: lists are not judged",
            judged=False,
            users=users,
            min_users=fewest_users,
            tolerance=settings.ranking_tolerance,
        )
    says, figures = compare_means(lists, "champion", on=f" on {users:,} users")
    return ListsVerdict(
        name="lists",
        passed=not is_worse(lists, settings.ranking_tolerance),
        says=f"{says} (tolerance {settings.ranking_tolerance:g})",
        judged=True,
        users=users,
        min_users=fewest_users,
        tolerance=settings.ranking_tolerance,
        **figures,
    )


def is_worse(lists: PairedLists, limit: float) -> bool:
    """Whether lists are worse by more than a limit, and worse beyond doubt."""
    return lists.difference.high < 0 and lists.difference.value < -limit


def compare_means(lists: PairedLists, other: str, *, on: str = "") -> tuple[str, dict[str, float]]:
    """The nDCG@10 of a candidate and of another release, in words and as the figures of a verdict."""
    ours, theirs = float(lists.candidate.mean()), float(lists.champion.mean())
    found = lists.difference
    value, low, high = signed([found.value, found.low, found.high])
    says = (
        f"nDCG@10 {ours:.4f} against the {other}'s {theirs:.4f}{on}: difference {value}, 95% interval {low} to "
        f"{high}"
    )
    means = {"candidate_ndcg_at_10": ours, f"{other}_ndcg_at_10": theirs}
    interval = {"standard_error": found.standard_error, "low": found.low, "high": found.high}
    return says, {**means, "difference": found.value, **interval}


def _obstacle(lists: PairedLists, fewest_users: int) -> str | None:
    """What stands against a comparison, in words; None if the lists can be compared."""
    if not lists.champion_has_lists:
        return "the champion has no ranking model"
    if len(lists.candidate) < fewest_users:
        return f"{len(lists.candidate):,} users whose lists can be compared ({fewest_users:,} required)"
    return None
