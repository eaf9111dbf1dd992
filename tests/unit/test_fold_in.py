"""fold_in predicts new users about as well as a model that was trained with them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
from fold_in import compare

from matinee.settings.parse import read_settings


def test_new_users_are_predicted_almost_as_well_as_trained_users(sample: Path, tmp_path: Path) -> None:
    fixed = ["split.strategy=given", "train.refit=none", "gate.tolerance=10"]
    found = compare(
        [sample / "ratings.csv"], tmp_path, users=40, seed=0, settings=read_settings(assignments=fixed)
    )
    assert found["worse_by_percent"] < 1.5
    assert found["fold_in"] < 0.97 * found["bias_only"]
    few = found["from_few_ratings"]
    assert few[20]["fold_in"] < few[10]["fold_in"] < few[5]["fold_in"] < few[0]["fold_in"]
    assert few[20]["fold_in"] < few[20]["bias_only"]
