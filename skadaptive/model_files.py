"""Models from files that ``skadaptive compare --save`` wrote, for use in Python.

:func:`load_model` gives the fitted model, which predicts from data frames. New files
are predicted by the command ``skadaptive predict``, which also reads their numbers as
those of the training were.
"""

from ._saving import model_files
from ._typing import Estimator, FilePath

__all__ = ["load_model"]


def load_model(path: FilePath) -> Estimator:
    """Load the model of a file that ``skadaptive compare --save`` wrote.

    Opening a file runs no code that it brings.

    Parameters
    ----------
    path : str or path-like
        The file, of any name.

    Returns
    -------
    estimator
        The fitted classifier. It takes data frames with the columns of the training,
        whose names are in ``feature_names_in_``: numbers as such, categories as texts,
        and dates as such or as texts in the format of the training. ``classes_`` has
        the values of the target. A date that is written otherwise is an error,
        as is a text such as "8,99" among numbers: read files with ``decimal=","`` where
        they need it.

    Raises
    ------
    ImportError
        If the model is not an ``AdaptiveHybridClassifier`` and skops is not
        installed.
    ValueError
        If it is no such file, is damaged, or does not open under the versions that are
        installed.
    """
    return model_files.load_model(path).model
