"""The tables of lists, from metrics.json and lists.json, in the report, on the card and on the page of a run."""

from collections.abc import Iterator

from matinee.evaluate.tables import Table
from matinee.formats.example_lists import ExampleList
from matinee.formats.metrics import Metrics, RankingFigures
from matinee.store.metrics_file import AnyMetrics

_TAIL = 5  # deciles of the catalog: the less popular half


def list_table(metrics: AnyMetrics) -> Table:
    """How well each order finds what users liked."""
    rows = []
    for name, of in _orders(metrics):
        deeper = (of.ndcg_at_20, of.recall_at_20, of.ndcg_at_100, of.recall_at_100)
        shown = ("" if figure is None else figure for figure in deeper)
        rows.append((name, of.ndcg_at_10, of.recall_at_10, of.mrr, of.coverage_at_10, *shown))
    head = ("lists by, all figures from 0 to 1", "nDCG@10", "recall@10", "MRR", "coverage@10")
    return Table((*head, "nDCG@20", "recall@20", "nDCG@100", "recall@100"), rows)


def shown_table(metrics: AnyMetrics) -> Table | None:
    """What each order shows: popular movies or the long tail, alike or mixed; None in files of earlier versions."""
    rows = [
        (
            name,
            of.shown.mean_train_rows,
            *of.shown.share_by_decile[:3],
            sum(of.shown.share_by_decile[_TAIL:]),
            of.shown.similarity,
        )
        for name, of in _orders(metrics)
        if of.shown
    ]
    head = (
        "lists of ten by",
        "train rows per movie",
        "share of the most popular tenth",
        "second tenth",
        "third tenth",
    )
    return Table((*head, "less popular half", "similarity within a list, 0 to 1"), rows) if rows else None


def temporal_list_table(metrics: AnyMetrics) -> Table | None:
    """Lists fitted on the past, judged by the latest tenth; None without dates."""
    if metrics.temporal is None or metrics.temporal.lists is None:
        return None
    cut, lists = metrics.temporal.cut, metrics.temporal.lists
    rows = "ratings" if isinstance(metrics, Metrics) else "plays"
    return Table(
        (f"lists for the time from {cut} on", "figure"),
        [
            (f"nDCG@10 of a ranking model of older {rows}", lists.ndcg_at_10),
            ("its standard error", lists.ndcg_at_10_standard_error),
            ("nDCG@10 of popularity", lists.popularity_ndcg_at_10),
            ("nDCG@10 of popularity of the last 30 days", lists.recent_popularity_ndcg_at_10),
            ("users measured", lists.users),
            ("users the model was fitted on", lists.users_fitted),
            (f"users without older {rows}", lists.users_without_rows),
        ],
    )


def example_table(example: ExampleList) -> Table:
    """One user's list, best first."""
    return Table(
        (
            "",
            "title",
            "train rows",
            "most because of",
            f"{'played' if example.played else 'liked'} in a test row",
        ),
        [
            (
                place,
                movie.title,
                movie.train_rows,
                movie.because or "popularity",
                "yes" if movie.liked else "",
            )
            for place, movie in enumerate(example.listed, 1)
        ],
    )


def example_says(example: ExampleList) -> str:
    """Who the list is for."""
    did, named = ("played", "among them") if example.played else ("rated", "best")
    if not example.rated:
        return f"User {example.user_id} has {did} nothing that the model knows."
    return f"User {example.user_id} {did} {example.rated:,} movies, {named}: {', '.join(example.best)}."


def _orders(metrics: AnyMetrics) -> Iterator[tuple[str, RankingFigures]]:
    ranking = metrics.ranking
    yield "recommend", ranking.recommend
    yield "popularity", ranking.popularity
    if ranking.recent_popularity:
        yield "popularity of the last 30 days", ranking.recent_popularity
    if ranking.expected_rating:
        yield "expected rating", ranking.expected_rating


def measured_lists(metrics: AnyMetrics) -> list[Table]:
    """All tables about lists that an evaluation has: how good they are, what they show, and how they do later."""
    tables = [list_table(metrics), shown_table(metrics), temporal_list_table(metrics)]
    return [table for table in tables if table is not None]
