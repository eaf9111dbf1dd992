"""The result of a fit, taken out of its store so that the same fit can be made again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file


def take(folder: Path) -> tuple[dict[str, np.ndarray], list[dict[str, Any]], dict[str, Any]]:
    """Weights, history without times and bytes, and manifest of a candidate, which is then removed."""
    points = json.loads((folder / "history.json").read_text("utf-8"))["points"]
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    weights = load_file(folder / "weights.safetensors")
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    for point in points:
        point.pop("seconds")
        point.pop("bytes_sent", None)
    return weights, points, manifest


def assert_same(one: Any, other: Any) -> None:
    """Check that two results have the same history and the same bits."""
    assert one[1] == other[1]
    assert one[0].keys() == other[0].keys()
    for name in one[0]:
        np.testing.assert_array_equal(one[0][name], other[0][name], err_msg=name)
