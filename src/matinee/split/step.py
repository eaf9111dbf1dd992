"""The split step: assigns each row of a dataset to the train, valid or test subset.

`stratified` compares a specified hash of the pair with cutoffs (`matinee.split.hash_split`). A row stays in its subset
as data grows, and which rows a model was trained on is a pure function of the ids. `shuffle` is scikit-learn's random
draw, as in the seed notebook. `given` takes the test rows from files. `temporal` and `last_n` split by date
(`matinee.split.time_split`): with newer data, test rows become train rows. The rows that a model was trained on are
then looked up in the split that it was trained on.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matinee.errors import DataError
from matinee.formats.manifests import DatasetManifest, SplitManifest
from matinee.ingest import iter_ratings
from matinee.release.idmap import IdMap
from matinee.release.liking import liked_from
from matinee.release.rating_levels import by_rating
from matinee.schemas.encoded import Encoded, Movies, Users, with_text_column
from matinee.settings import SplitSettings
from matinee.split import encode
from matinee.split.hash_split import (
    SUBSETS,
    TEST,
    TRAIN,
    VALID,
    Cutoffs,
    Hashes,
    Subset,
    Subsets,
    pair_hash,
    select_cutoffs,
    share_below_valid,
)
from matinee.split.subset_writer import SubsetWriter
from matinee.split.time_split import UNDATED, DayCuts, Days, choose_cuts, hold_out_last
from matinee.store import Plan, Reference, Store
from matinee.store.digests import code_digest, digest_of


@dataclass(frozen=True)
class Inherited:
    """The settings and cutoffs that a new split takes from the champion's: rows stay in their subset as data grows."""

    settings: SplitSettings
    cutoffs: Cutoffs

    def fits(self, settings: SplitSettings) -> bool:
        """Whether a split with these settings may use these cutoffs."""
        return settings.strategy in ("stratified", "given") and settings.is_same(self.settings)


def plan(
    store: Store,
    dataset: Reference,
    encoding: Reference,
    *,
    settings: SplitSettings,
    inherited: Inherited | None = None,
) -> Plan:
    """The folder of a split: train, valid and test rows by code, and what the codes stand for.

    Making it raises DataError if a subset would be empty.
    """
    cutoffs = inherited.cutoffs if inherited and inherited.fits(settings) else None
    digest = digest_of(
        code=code_digest(__name__),
        dataset=dataset.digest,
        encoding=encoding.digest,
        settings=settings.model_dump(),
        cutoffs=cutoffs.to_json().model_dump() if cutoffs else None,
    )
    job = _SplitJob(store, dataset, encoding, settings, cutoffs)
    return Plan("splits", digest, job.make)


@dataclass(frozen=True)
class _SplitJob:
    store: Store
    dataset: Reference
    encoding: Reference
    settings: SplitSettings
    inherited: Cutoffs | None

    def make(self, folder: Path) -> SplitManifest:
        assign, limits = self._assignment()
        dataset = self.store.read(DatasetManifest, self.dataset.digest)
        written = self._write(folder, assign, (dataset.scale[0], dataset.scale[1]))
        if empty := [subset for subset in SUBSETS if not written.rows[subset]]:
            raise DataError(
                f"The split has no {' and '.join(empty)} rows: the dataset has {self.dataset.rows:,} rows. "
                "Give more ratings, or set a larger split.test_fraction and split.valid_fraction."
            )
        return SplitManifest(
            rows=sum(sum(counts.values()) for counts in written.rows.values()),
            dataset=self.dataset.digest,
            encoding=self.encoding.digest,
            scale=dataset.scale,
            feedback=dataset.feedback,
            strategy=self.settings.strategy,
            settings=self.settings.model_dump(mode="json"),
            counts={subset: sum(written.rows[subset].values()) for subset in SUBSETS},
            counts_per_rating={subset: by_rating(written.rows[subset]) for subset in SUBSETS},
            cutoffs=limits.to_json() if isinstance(limits, Cutoffs) else None,
            days=limits.to_json() if isinstance(limits, DayCuts) else None,
            inherited=self.inherited is not None,
        )

    def _assignment(self) -> "tuple[_Assignment, Cutoffs | DayCuts | None]":
        """The function that assigns a batch of rows to subsets, and the cutoffs or cut days that it uses, if any."""
        settings = self.settings
        if settings.strategy == "shuffle":
            return _in_order(_shuffle(self._ratings(), settings)), None
        if settings.strategy == "last_n":
            self._count_days()
            users = np.concatenate([batch["user_id"].to_numpy() for _, batch in self._batches()])
            days = np.concatenate([_days(batch) for _, batch in self._batches()])
            return _in_order(hold_out_last(users, days, n=settings.last_n)), None
        if settings.strategy == "temporal":
            shares = {"test_fraction": settings.test_fraction, "valid_fraction": settings.valid_fraction}
            cuts = choose_cuts(self._count_days(), **shares)
            return lambda batch: cuts.assign(_days(batch)), cuts
        cutoffs = self.inherited or self._cutoffs()
        return _by_hash(cutoffs, settings.seed), cutoffs

    def _batches(self) -> Iterator[tuple[bool, pl.DataFrame]]:
        """All rows in a stable order, in batches; each batch with a flag for rows from files given as test files."""
        if self.settings.strategy == "given":
            yield from ((False, batch) for batch in iter_ratings(self.store, self.dataset, role="train"))
            yield from ((True, batch) for batch in iter_ratings(self.store, self.dataset, role="test"))
        else:
            yield from ((False, batch) for batch in iter_ratings(self.store, self.dataset))

    def _ratings(self) -> NDArray[np.float32]:
        return np.concatenate([batch["rating"].to_numpy() for _, batch in self._batches()])

    def _count_days(self) -> Counter[int]:
        """Rows by day; raises DataError when no row has a date."""
        counts: Counter[int] = Counter()
        for _, batch in self._batches():
            days, rows = np.unique(_days(batch), return_counts=True)
            counts.update(dict(zip(days.tolist(), rows.tolist(), strict=True)))
        if set(counts) <= {UNDATED}:
            raise DataError(
                f"split.strategy={self.settings.strategy} needs dated ratings, and none of the "
                f"{self.dataset.rows:,} has one. Name their column with ingest.columns=date=NAME, or set "
                "split.strategy=stratified, which needs no dates."
            )
        return counts

    def _cutoffs(self) -> Cutoffs:
        """Cutoffs that give each rating its exact quota; rows from given test files are not counted."""
        test_share = 0.0 if self.settings.strategy == "given" else self.settings.test_fraction

        def hashed() -> Iterator[tuple[Hashes, NDArray[np.float32]]]:
            for given, batch in self._batches():
                if not given:
                    yield _hash_rows(batch, self.settings.seed), batch["rating"].to_numpy()

        def ranks(rows: int) -> tuple[int, int]:
            test = round(rows * test_share)
            return test, test + round((rows - test) * self.settings.valid_fraction)

        shares = test_share, share_below_valid(test_share, self.settings.valid_fraction)
        test, valid = select_cutoffs(hashed, ranks, shares=shares)
        return Cutoffs(test, valid, test_share, self.settings.valid_fraction)

    def _write(self, folder: Path, assign: "_Assignment", scale: tuple[float, float]) -> "_SplitCounts":
        user_map, movie_map = encode.read_maps(self.store, self.encoding)
        counts = _SplitCounts.of(len(user_map), len(movie_map), liked_from=liked_from((scale[0], scale[1])))
        with ExitStack() as stack:
            paths = {subset: folder / f"{subset}.parquet" for subset in SUBSETS}
            writers = {subset: stack.enter_context(SubsetWriter(path)) for subset, path in paths.items()}
            for given, batch in self._batches():
                subsets = np.full(batch.height, TEST, np.int8) if given else assign(batch)
                rows = Encoded.validate(_encode_rows(batch, user_map, movie_map))
                for number, subset in enumerate(SUBSETS):
                    chosen = rows.filter(pl.Series(subsets == number))
                    writers[subset].write(chosen)
                    counts.add(subset, chosen)
        source = self.store.path(self.encoding)
        users, movies = (pl.read_parquet(source / f"{name}.parquet") for name in ("users", "movies"))
        users.insert_column(1, pl.Series("train_rows", counts.user_rows))
        movies.insert_column(1, pl.Series("train_rows", counts.movie_rows))
        movies.insert_column(2, pl.Series("liked_rows", counts.liked_rows))
        for model, table, name in ((Users, users, "users"), (Movies, movies, "movies")):
            with_text_column(model, table).validate(table).write_parquet(folder / f"{name}.parquet")
        return counts


_Assignment = Callable[[pl.DataFrame], Subsets]


def _hash_rows(batch: pl.DataFrame, seed: int) -> Hashes:
    return pair_hash(batch["user_id"].to_numpy(), batch["movie_id"].to_numpy(), seed=seed)


def _by_hash(cutoffs: Cutoffs, seed: int) -> _Assignment:
    return lambda batch: cutoffs.assign(_hash_rows(batch, seed), batch["rating"].to_numpy())


def _days(batch: pl.DataFrame) -> Days:
    days: Days = batch["date"].to_physical().fill_null(UNDATED).to_numpy()
    return days


def _shuffle(ratings: NDArray[np.float32], settings: SplitSettings) -> Subsets:
    """Draw the test rows, then the valid rows, with scikit-learn's stratified split."""
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - a second, for this strategy alone

    subsets = np.full(len(ratings), TRAIN, np.int8)
    rest = np.arange(len(ratings))
    for number, share in ((TEST, settings.test_fraction), (VALID, settings.valid_fraction)):
        try:
            rest, drawn = train_test_split(
                rest, test_size=share, random_state=settings.seed, stratify=ratings[rest]
            )
        except ValueError as error:
            raise DataError(
                f"split.strategy=shuffle cannot draw from {len(ratings):,} rows: {error} "
                "Give more ratings, or set split.strategy=stratified, which can."
            ) from None
        subsets[drawn] = number
    return subsets


def _in_order(subsets: Subsets) -> _Assignment:
    """Hand out, batch by batch, an assignment made for all rows at once."""
    position = 0

    def assign(batch: pl.DataFrame) -> Subsets:
        nonlocal position
        position += batch.height
        return subsets[position - batch.height : position]

    return assign


def _encode_rows(batch: pl.DataFrame, users: IdMap, movies: IdMap) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_code": users.encode(batch["user_id"].to_numpy()),
            "movie_code": movies.encode(batch["movie_id"].to_numpy()),
            "rating": batch["rating"],
            "date": batch["date"],
        }
    )


@dataclass
class _SplitCounts:
    """Counts of the rows written, for the manifest and the tables of codes."""

    user_rows: NDArray[np.int64]
    movie_rows: NDArray[np.int64]
    liked_rows: NDArray[np.int64]  # by movie: train rows of at least `liked_from`
    liked_from: float
    rows: dict[Subset, Counter[float]] = field(
        default_factory=lambda: {subset: Counter() for subset in SUBSETS}
    )

    @classmethod
    def of(cls, users: int, movies: int, *, liked_from: float) -> "_SplitCounts":
        user_rows, movie_rows, liked_rows = (np.zeros(codes, np.int64) for codes in (users, movies, movies))
        return cls(user_rows, movie_rows, liked_rows, liked_from)

    def add(self, subset: Subset, rows: pl.DataFrame) -> None:
        self.rows[subset].update(dict(rows["rating"].value_counts().iter_rows()))
        if subset == "train":
            self.user_rows += np.bincount(rows["user_code"].to_numpy(), minlength=len(self.user_rows))
            movies = rows["movie_code"].to_numpy()
            self.movie_rows += np.bincount(movies, minlength=len(self.movie_rows))
            liked = movies[rows["rating"].to_numpy() >= self.liked_from]
            self.liked_rows += np.bincount(liked, minlength=len(self.liked_rows))
