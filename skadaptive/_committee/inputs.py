"""Which inputs each member uses, and how fast it learns them.

The relevance of a feature is computed from labels, and a member must not learn anything
from the labels of the rows that it holds out: its score would rise on noise alone. So
each member chooses by its own training rows. All members have the same inputs, those
that any of them has chosen; the input scales of the others are 0.
"""

import numpy as np

from .._features.relevance import (
    most_relevant,
    quantile_codes,
    relative_learning_rates,
    univariate_relevance,
)
from .._features.scaling import subsample_rows

# Most bins of the features that are encoded under n_bins="auto". Members that take no
# more than that are encoded together in every step (docs/research/044).
_MOST_BINS = 512


def choose_inputs(transform, rows, auto_bins, uses_relevance):
    """Choose the features to encode, and the learning rates of the input scales.

    Parameters
    ----------
    transform : InputTransform
        Encodes every feature that can be encoded.
    rows : TrainingRows
        With class weights.
    auto_bins : bool
        Whether a table with many features has only the most relevant ones encoded.
    uses_relevance : bool
        Whether the learning rates follow the relevance.

    Returns
    -------
    transform : InputTransform
        Encodes the features that any member has chosen.
    rates : ndarray of shape (n_members, n_inputs)
        Relative learning rate of each input scale; 0 for inputs that a member does not
        use.
    """
    encoding = transform.encoding
    limited = auto_bins and encoding.n_outputs > _MOST_BINS
    if not (limited or uses_relevance):
        return transform, np.ones((len(rows.folds), len(transform.input_features)))
    relevance = _relevance(rows)
    used = None
    if limited:
        features = transform.scaler.feature_of_column[encoding.columns]
        used = most_relevant(relevance[:, features], _MOST_BINS // encoding.n_bins)
        transform = transform.with_encoded(used.any(axis=0))
        used = used[:, used.any(axis=0)]
    rates = np.ones(relevance.shape)
    if uses_relevance:
        rates = np.stack([relative_learning_rates(member) for member in relevance])
    rates = rates[:, transform.input_features]
    if used is not None:
        encoded = rates[:, transform.scaler.n_outputs :]
        encoded[~np.repeat(used, encoding.n_bins, axis=1)] = 0.0
    return transform, rates


def _relevance(rows):
    """Relevance of each feature in the training rows of each member."""
    drawn = subsample_rows(len(rows))
    weights = [
        np.bincount(train, rows.weight[train], len(rows))[drawn]
        for train, _ in rows.folds
    ]
    codes, y = quantile_codes(rows.X[drawn], sum(weights)), rows.y[drawn]
    return np.stack(
        [univariate_relevance(codes[w > 0], y[w > 0], w[w > 0]) for w in weights]
    )
