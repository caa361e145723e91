"""Arrays of results, which nobody changes."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["frozen"]


def frozen(values: ArrayLike, dtype: Any = np.float64) -> NDArray[Any]:
    """A read-only copy.

    >>> frozen([1, 2]).flags.writeable
    False
    """
    found = np.array(values, dtype)
    found.setflags(write=False)
    return found
