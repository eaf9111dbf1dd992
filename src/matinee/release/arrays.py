"""The types of arrays, by the type of their elements. Comments and docstrings give the shapes."""

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]  # of users or movies; -1 is an unknown one
Ids = NDArray[np.int64]
Scores = NDArray[np.float32]  # of movies; higher is better
Counts = NDArray[np.int64]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
