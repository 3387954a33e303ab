"""Names for the array types that most modules share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
"""Vectors, factors or scores in single precision."""

Rows = NDArray[np.int64]
"""Row numbers, of tracks or of users; also counts, such as support."""

Mask = NDArray[np.bool_]
"""A yes or no for each row."""
