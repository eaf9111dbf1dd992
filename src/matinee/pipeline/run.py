"""The whole pipeline in one call: `retrain` runs the steps in order in this process."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matinee.errors import ConfigError
from matinee.evaluate.tested import Tested
from matinee.ingest.databases import snapshots
from matinee.ingest.reading.object_sources import local_file, local_sources
from matinee.monitor.progressive import ChampionScore, score_champion
from matinee.pipeline.chain import Chain, making_missing
from matinee.publish import Publication, publish
from matinee.release.signature import check_publishing
from matinee.settings import Settings
from matinee.store import Reference, Store
from matinee.store.metrics_file import AnyMetrics, read_metrics
from matinee.store.paths import check_apart
from matinee.store.progress import Listener, silent
from matinee.store.remote import local_store


@dataclass(frozen=True)
class Retrained:
    """The result of a run: the folder of each step, and the publication.

    Attributes:
        store: The store.
        dataset: The ingested ratings and titles.
        champion_score: The champion's error on ratings newer than itself.
        encoding: The codes of users and movies.
        tested: The split, its models and their evaluation, which are also properties of a run.
        publication: Whether the candidate was promoted, and why.

    Examples:
        >>> import matinee
        >>> run = matinee.retrain("sample/ratings.csv", "sample/movie_titles.csv", "store")
        >>> run.publication.promoted, run.release.name
        (True, 'v0001')
    """

    store: Store
    dataset: Reference
    champion_score: ChampionScore
    encoding: Reference
    tested: Tested
    publication: Publication

    @property
    def split(self) -> Reference:
        """The train, valid and test rows."""
        return self.tested.split

    @property
    def candidate(self) -> Reference | None:
        """The weights that were tested; None for plays, which train only the ranking model."""
        return self.tested.models.candidate

    @property
    def ranking(self) -> Reference:
        """The ranking model that was tested."""
        return self.tested.models.required_ranking

    @property
    def evaluation(self) -> Reference:
        """Metrics, plots and the gate's decision."""
        return self.tested.evaluation

    @property
    def release(self) -> Path | None:
        """The folder of the release, for `matinee.load`; None if the gate held the candidate."""
        return Path(self.publication.location) if self.publication.location else None

    @property
    def metrics(self) -> AnyMetrics:
        """The figures of the evaluation that decided, as in metrics.json; PlayMetrics for plays."""
        return read_metrics(self.store.folder("evaluations", self.publication.evaluation))


def retrain(
    ratings: str | Path | Sequence[str | Path],
    titles: str | Path | None,
    store: str | Path,
    *,
    test: str | Path | Sequence[str | Path] = (),
    settings: Settings | None = None,
    listener: Listener = silent,
) -> Retrained:
    """Ingest, encode, split, train, evaluate, and publish a release if it passes the gate.

    Finished steps are skipped, so the same call resumes after a failure and computes nothing twice.

    Args:
        ratings: A rating file, a folder, a glob or the query of a database (`postgresql://user@host/shop?query=select
            ...`), or several of them.
        titles: The titles file; None for a release without titles.
        store: The folder where everything is kept, or an address such as s3://bucket/store; it is created if absent.
        test: A file of test rows, or several, for `split.strategy=given`; without them test rows are drawn.
        settings: How to read, split, train and judge; the defaults if None. `matinee.settings.parse.read_settings`
            makes them from presets, files and `NAME=VALUE` texts.
        listener: Called with the progress of the fit, several times per second.

    Returns:
        The folders that the run made or found, and the publication.

    Raises:
        ConfigError: A setting or a path is wrong.
        DataError: The input is refused.
        StoreError: The store cannot be read or written.

    Examples:
        >>> import matinee
        >>> run = matinee.retrain("sample/ratings.csv", "sample/movie_titles.csv", "store")
        >>> run.publication.promoted
        True
        >>> run.metrics.rmse < run.metrics.bias_only_rmse
        True
        >>> release = matinee.load(run.release)
    """
    sources, test = local_sources(_listed(ratings)), local_sources(_listed(test))
    if not sources:
        raise ConfigError("No ratings were given. Name a file, a folder, a glob or the query of a database.")
    titles = None if titles is None else local_file(str(titles))
    chosen = _checked(settings).for_test_files([str(path) for path in test])
    chosen.check()
    store = local_store(store)
    check_apart(store, sources=[*sources, *([] if titles is None else [titles]), *test])
    check_publishing()  # before hours of training
    opened = Store.open(store)
    with opened.in_use():  # prune keeps what this run takes and makes
        chain = Chain(opened, chosen, making_missing(opened), listener)
        take = partial(snapshots, opened.root, limits=chosen.ingest)
        with take(sources) as train_paths, take(test) as test_paths:
            dataset = chain.ingest(train_paths, titles, test=test_paths)
        champion_score = score_champion(opened, dataset)
        encoding = chain.encode(dataset)
        tested = chain.test(chain.split(dataset, encoding))
        publication = publish(opened, tested, shipped=chain.refit(tested), settings=chosen)
    return Retrained(opened, dataset, champion_score, encoding, tested, publication)


def _listed(sources: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    return [sources] if isinstance(sources, str | Path) else sources


def _checked(settings: Settings | None) -> Settings:
    if settings is not None and not isinstance(settings, Settings):  # of a program without type checks
        raise ConfigError(
            f"The settings of `retrain` are a {type(settings).__name__}; expected a Settings, as "
            "matinee.settings.parse.read_settings(assignments=['train.refit=all']) makes it."
        )
    return settings or Settings()
