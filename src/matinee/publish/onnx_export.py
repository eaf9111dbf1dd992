"""A release as ONNX models, for programs that are not written in Python.

`ratings.onnx` predicts the ratings of pairs, `lists.onnx` makes the list of a user from the user's ratings. Ids are
those of the rating files. The answers equal those of the release, up to rounding.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from matinee.errors import ConfigError
from matinee.release import Release
from matinee.release.idmap import IdMap
from matinee.release.ranking_model import GRADE_STEP, NEUTRAL, RankingModel
from matinee.release.rating_levels import STEPS
from matinee.store.output import writing_to
from matinee.store.paths import check_place

if TYPE_CHECKING:
    from onnx import AttributeProto, ModelProto

RATINGS: Final = "ratings.onnx"
LISTS: Final = "lists.onnx"
_Arrays = Mapping[str, NDArray[Any] | np.generic]
_MOST_BYTES: Final = 2**31 - 2**20  # an ONNX file is at most 2 GiB

_HEAD: Final = '<ir_version: 10, opset_import: ["" : 20, "ai.onnx.ml" : 4]>\n'
# The rows of unknown ids come after those of known ones, and are 0.
_RATINGS_GRAPH: Final = """
ratings (ID[pairs] user_id, ID[pairs] movie_id) => (float[pairs] rating)
{
    user = ai.onnx.ml.LabelEncoder (user_id)
    movie = ai.onnx.ml.LabelEncoder (movie_id)
    user_vector = Gather (user_factors, user)
    movie_vector = Gather (movie_factors, movie)
    products = Mul (user_vector, movie_vector)
    dot = ReduceSum <keepdims = 0> (products, columns)
    user_part = Gather (user_bias, user)
    movie_part = Gather (movie_bias, movie)
    biases = Add (user_part, movie_part)
    level = Add (biases, mean)
    raw = Add (level, dot)
    rating = Clip (raw, low, high)
}
"""
# The formulas are those of `matinee.release.ranking_model`, with sums in float64 as there. `-inf` removes the movies
# that the user rated, and those without training rows.
_LISTS_GRAPH: Final = """
lists (ID[rated] movie_id, float[rated] rating, int64 n) => (ID[listed] listed_movie_id, float[listed] score)
{
    movie = ai.onnx.ml.LabelEncoder (movie_id)
    above_lowest = Sub (rating, lowest)
    place = Mul (above_lowest, steps_per_rating)
    nearest = Round (place)
    level = Clip (nearest, zero, most_steps)
    above_neutral = Sub (level, neutral)
    liked = Max (above_neutral, zero)
    grade = Mul (liked, grade_step)
    rated_rows = Gather (encode_rated, movie)
    rated_exact = Cast <to = 11> (rated_rows)
    rated_sum = ReduceSum <keepdims = 0> (rated_exact, first_axis)
    liked_rows = Gather (encode_liked, movie)
    liked_exact = Cast <to = 11> (liked_rows)
    grade_exact = Cast <to = 11> (grade)
    liked_sum = MatMul (grade_exact, liked_exact)
    both = Add (rated_sum, liked_sum)
    vector = Cast <to = 1> (both)
    by_taste = MatMul (decode, vector)
    sizes = Abs (vector)
    size = ReduceMax <keepdims = 0> (sizes)
    is_unknown = Equal (size, zero)
    scores = Where (is_unknown, popularity, by_taste)
    trained = Add (scores, mask)
    slots = Concat <axis = 0> (trained, nothing)
    shape = Shape (movie)
    nothings = Expand (nothing, shape)
    unseen = ScatterElements <axis = 0> (slots, movie, nothings)
    all_slots = Size (unseen)
    most = Min (n, all_slots)
    k = Reshape (most, one_axis)
    best, slot = TopK (unseen, k)
    is_listed = Greater (best, nothing)
    score = Compress <axis = 0> (best, is_listed)
    movies = Compress <axis = 0> (slot, is_listed)
    listed_movie_id = Gather (ids, movies)
}
"""


def export_onnx(release: Release, folder: Path) -> list[Path]:
    """Write a release as ONNX models into a folder.

    Args:
        release: The release.
        folder: The folder; files of the same names in it are replaced.

    Returns:
        The files: `ratings.onnx` for a dot model, `lists.onnx` for a release with a ranking model.

    Raises:
        ConfigError: The package onnx is missing, the release has neither model, it is too large for ONNX, or the folder
            is inside a store.
        StoreError: The disk is full.
    """
    models: dict[str, ModelProto] = {}
    if release.manifest.model == "dot":
        models[RATINGS] = ratings_model(release)
    if release.ranking is not None:
        models[LISTS] = lists_model(release, release.ranking)
    if not models:
        raise ConfigError(
            f"Release {release.version} has a {release.manifest.model} model and no ranking model; dot models and "
            "ranking models can be exported to ONNX."
        )
    check_place(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The folder {folder} could not be created: {error.strerror}. Choose another one."
        ) from None
    for name, model in models.items():
        with writing_to(folder / name) as file:
            file.write(model.SerializeToString())
    return [folder / name for name in models]


def ratings_model(release: Release) -> "ModelProto":
    """The model of `ratings.onnx`: ids of users and movies [pairs] to ratings [pairs], within the scale."""
    weights = release.weights
    tables = {
        name: _with_unknown(weights[name].astype(np.float32))
        for name in ("user_factors", "movie_factors", "user_bias", "movie_bias")
    }
    low, high = (np.float32(end) for end in release.scale)
    constants: _Arrays = {"mean": weights["mean"].astype(np.float32).sum(), "low": low, "high": high}
    return _model(
        _RATINGS_GRAPH,
        {**tables, **constants, "columns": np.array([1], np.int64)},
        {"user_id": release.users, "movie_id": release.movies},
        release,
    )


def lists_model(release: Release, ranking: RankingModel) -> "ModelProto":
    """The model of `lists.onnx`: a user's movies and ratings [rated], and a length, to a list with scores."""
    low, high = release.scale
    steps = STEPS / (high - low) if high > low else 0.0  # plays have no grades
    trained = release.catalog.trained
    constants: _Arrays = {
        "lowest": np.float32(low),
        "steps_per_rating": np.float32(steps),
        "zero": np.float32(0),
        "most_steps": np.float32(STEPS),
        "neutral": np.float32(NEUTRAL),
        "grade_step": GRADE_STEP,
        "nothing": np.array([-np.inf], np.float32),
        "mask": np.where(trained, np.float32(0), np.float32(-np.inf)),
        "first_axis": np.array([0], np.int64),
        "one_axis": np.array([1], np.int64),
    }
    tables = {
        "encode_rated": _with_unknown(ranking.encode_rated),
        "encode_liked": _with_unknown(ranking.encode_liked),
        "decode": ranking.decode,
        "popularity": ranking.popularity,
        "ids": release.movies.ids,
    }
    return _model(_LISTS_GRAPH, {**tables, **constants}, {"movie_id": release.movies}, release)


def _with_unknown(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """A table with one more row of zeros, for ids that the release does not know."""
    return np.concatenate([table, np.zeros((1, *table.shape[1:]), np.float32)])


def _model(graph: str, arrays: _Arrays, ids: Mapping[str, IdMap], release: Release) -> "ModelProto":
    """A graph with its arrays, and with the ids that its label encoders number."""
    try:
        from onnx import checker, helper, numpy_helper, parser  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigError(
            "ONNX needs the package onnx. Install it with: pip install 'matinee[onnx]'"
        ) from None
    is_text = release.movies.texts is not None
    if sum(np.asarray(array).nbytes for array in arrays.values()) > _MOST_BYTES:
        raise ConfigError(f"Release {release.version} is too large for ONNX, whose files have at most 2 GiB.")
    model = parser.parse_model(_HEAD + graph.replace("ID[", "string[" if is_text else "int64["))
    model.graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in arrays.items()
    )
    for node in model.graph.node:
        if node.op_type == "LabelEncoder":
            node.attribute.extend(_codes_of(ids[node.input[0]]))
    helper.set_model_props(
        model, {"release": release.version, "digest": release.manifest.digest or "", "made_by": "matinee"}
    )
    checker.check_model(model)
    return model


def _codes_of(known: IdMap) -> list["AttributeProto"]:
    """The attributes of a label encoder from ids to codes; unknown ids get the code after the last one."""
    from onnx import helper, numpy_helper  # noqa: PLC0415 - an extra

    codes, unknown = np.arange(len(known), dtype=np.int64), len(known)
    if known.texts is not None:
        return [
            helper.make_attribute("keys_strings", known.texts.to_pylist()),
            helper.make_attribute("values_int64s", codes),
            helper.make_attribute("default_int64", unknown),
        ]
    return [
        helper.make_attribute("keys_tensor", numpy_helper.from_array(known.keys)),
        helper.make_attribute("values_tensor", numpy_helper.from_array(codes)),
        helper.make_attribute("default_tensor", numpy_helper.from_array(np.array([unknown], np.int64))),
    ]
