"""What the command and the server share when they apply a saved model."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ._assessment.response import response
from ._assessment.threshold_counts import ScoredRows, cost_by_threshold, least_cost
from ._io.target import label_of
from ._report.formatting import amount
from ._saving.model_files import SavedModel, features_of

# Rows that are predicted at once: a preparation may make many columns of one.
_N_ROWS = 100_000


def rare_index(saved: SavedModel) -> int:
    """Index of the rare class among the classes of a saved model."""
    classes = list(saved.model.classes_)
    return classes.index(label_of(classes, saved.facts.positive))


def features_to_predict(
    frame: pd.DataFrame, saved: SavedModel, ignore: Sequence[str | None]
) -> pd.DataFrame:
    """The features of new rows, whose table may have columns that are left out."""
    ignored = {*ignore, *saved.facts.unused_columns}
    extra = [name for name in frame if name in ignored and name not in saved.columns]
    return features_of(frame.drop(columns=extra), saved)


def predictions(
    saved: SavedModel, X: pd.DataFrame, threshold: float | None
) -> pd.DataFrame:
    """Probabilities of the rare class and predicted classes.

    Parameters
    ----------
    saved : SavedModel
    X : DataFrame of shape (n_samples, n_features)
    threshold : float or None
        A row is predicted rare if its probability is above it. None is that of the
        model.

    Returns
    -------
    DataFrame of shape (n_samples, 2)
        Columns ``probability`` and ``prediction``.
    """
    parts = [
        _of_part(saved, X.iloc[start : start + _N_ROWS], threshold)
        for start in range(0, max(1, len(X)), _N_ROWS)
    ]
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)


def _of_part(
    saved: SavedModel, X: pd.DataFrame, threshold: float | None
) -> pd.DataFrame:
    classes, index = list(saved.model.classes_), rare_index(saved)
    # In float64, in which the costs of thresholds are counted.
    probability, _ = response(saved.model, X, index)
    if threshold is None:
        prediction = saved.model.predict(X)
    else:
        is_rare = probability > threshold
        prediction = np.where(is_rare, classes[index], classes[1 - index])
    return pd.DataFrame({"probability": probability, "prediction": prediction})


def chosen_threshold(
    saved: SavedModel,
    path: str,
    threshold: float | None,
    costs: Sequence[float] | None,
) -> tuple[float | None, str | None]:
    """The threshold that a user asks for, directly or by costs.

    Parameters
    ----------
    saved : SavedModel
    path : str
        Of the model file, for messages.
    threshold : float or None
    costs : sequence of two floats or None
        Of a false alarm and of a miss.

    Returns
    -------
    threshold : float or None
        None if the user asks for none, so that the model's own is used.
    note : str or None
        How it was found.

    Raises
    ------
    ValueError
        If the model does not have two classes, or its file has no out-of-fold
        probabilities, which costs need.
    """
    if threshold is None and costs is None:
        return None, None
    n_classes = len(saved.model.classes_)
    if n_classes != 2:
        raise ValueError(
            f"--threshold and --costs need a model of two classes; {saved.facts.name} "
            f"has {n_classes}."
        )
    if costs is None:
        return threshold, None
    known = saved.out_of_fold
    if known is None:
        raise ValueError(
            f"{path} holds no out-of-fold probabilities, from which --costs finds a "
            "threshold. Write it again with 'skadaptive compare --save', or choose one "
            "with --threshold."
        )
    rows = ScoredRows(known.y, known.probability, known.sample_weight)
    alarm, miss = costs
    by_kind = {"miss": miss, "alarm": alarm}
    found, cost = least_cost(rows, by_kind)
    every, none = cost_by_threshold(rows.constant_counts(), by_kind)
    return found, (
        f"--threshold {found} has the least cost on the {len(rows.y):,} rows of the "
        f"training that were tested: {amount(cost)} per 1,000 rows, if a false alarm "
        f"costs {alarm:g} and a miss {miss:g}. Predicting all rows rare costs "
        f"{amount(every)}, and predicting none {amount(none)}."
    )
