"""Types that the annotations of the public surface share."""

from os import PathLike
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

#: Features of shape (n_samples, n_features): an array, sparse too, or a DataFrame.
Table: TypeAlias = ArrayLike | pd.DataFrame
#: A matrix or an array of ``scipy.sparse``, in CSR format.
SparseTable: TypeAlias = Any
FloatArray: TypeAlias = NDArray[np.floating[Any]]
IntArray: TypeAlias = NDArray[np.integer[Any]]
BoolArray: TypeAlias = NDArray[np.bool_]
#: Seed, as scikit-learn takes it.
RandomState: TypeAlias = int | np.random.RandomState | None
#: A class label.
Label: TypeAlias = Any
#: A scikit-learn estimator, which brings no types.
Estimator: TypeAlias = Any
#: Row numbers of the training part and the held-out part of a split.
Fold: TypeAlias = tuple[IntArray, IntArray]
FilePath: TypeAlias = str | PathLike[str]
#: A tensor of the Keras backend, or what it converts to one.
Tensor: TypeAlias = Any

__all__ = [
    "ArrayLike",
    "BoolArray",
    "Estimator",
    "FilePath",
    "FloatArray",
    "Fold",
    "IntArray",
    "Label",
    "Literal",
    "RandomState",
    "SparseTable",
    "Table",
    "Tensor",
]
