"""Which inputs each member uses, and how fast it learns them.

The relevance of a feature is computed from labels, and a member must not learn anything
from the labels of the rows that it holds out: its score would rise on noise alone. So
each member chooses by its own training rows. All members have the same inputs, those
that any of them has chosen; the input scales of the others are 0.
"""

from dataclasses import dataclass

import numpy as np

from .._features.relevance import (
    most_relevant,
    quantile_codes,
    relative_learning_rates,
    univariate_relevance,
)
from .._features.scaling import subsample_rows
from .._features.sparse import column_relevance, most_columns
from .._features.transform import InputTransform

# Most bins of the features that are encoded under n_bins="auto", as in ``auto_bins``.
# With 600 features that is better than all bins where few features matter, and about as
# good where many do (docs/research/050).
_MOST_BINS = 512


@dataclass(frozen=True)
class Inputs:
    """From the features to the inputs of the networks, and who uses which.

    Attributes
    ----------
    transform : InputTransform
    used : ndarray of shape (n_members, n_features), bool, or None
        Features that each member uses, of those that the transform takes; None for all.
    rates : ndarray of shape (n_members, n_inputs) or None
        Relative learning rate of each input scale in a new network, 0 for the inputs
        that a member does not use. None before :func:`choose_inputs`, and where a
        network continues with its own rates.
    """

    transform: InputTransform
    used: np.ndarray | None = None
    rates: np.ndarray | None = None


def sparse_inputs(X, sample_weight, rows, n_bins):
    """Choose columns of a sparse table, and fit the transform of these.

    Parameters
    ----------
    X : CSR table of shape (n_samples, n_columns)
        The rows that scaling and encoding are fitted to.
    sample_weight : ndarray of shape (n_samples,)
    rows : TrainingRows
        Sparse, with class weights.
    n_bins : int, "auto" or None

    Returns
    -------
    Inputs
        Of all columns if there are few.
    """
    n_most, n_columns = most_columns(len(rows)), X.shape[1]
    if n_columns <= n_most:
        return Inputs(
            InputTransform.fit_sparse(X, np.arange(n_columns), sample_weight, n_bins)
        )
    relevance = []
    for train, _ in rows.folds:
        weight = np.bincount(train, rows.weight[train], len(rows))
        kept = np.flatnonzero(weight)
        relevance.append(column_relevance(rows.X[kept], rows.y[kept], weight[kept]))
    used = most_relevant(np.stack(relevance), n_most)
    columns = np.flatnonzero(used.any(axis=0))
    transform = InputTransform.fit_sparse(X, columns, sample_weight, n_bins)
    return Inputs(transform, used[:, columns])


def choose_inputs(inputs, rows, auto_bins, uses_relevance):
    """Choose the features to encode, and the learning rates of the input scales.

    Parameters
    ----------
    inputs : Inputs
        Every feature that can be encoded is.
    rows : TrainingRows
        Dense, with class weights.
    auto_bins : bool
        Whether a table with many features has only the most relevant ones encoded.
    uses_relevance : bool
        Whether the learning rates follow the relevance.

    Returns
    -------
    Inputs
        With the rates. The transform encodes the features that any member has chosen.
    """
    transform, used = inputs.transform, inputs.used
    encoding = transform.encoding
    limited = auto_bins and encoding.n_outputs > _MOST_BINS
    rates = np.ones((len(rows.folds), transform.n_features))
    if limited or uses_relevance:
        relevance = _relevance(rows)
        if used is not None:
            relevance *= used
    encoded = None
    if limited:
        features = transform.scaler.feature_of_column[encoding.columns]
        encoded = most_relevant(relevance[:, features], _MOST_BINS // encoding.n_bins)
        kept = encoded.any(axis=0)
        transform, encoded = transform.with_encoded(kept), encoded[:, kept]
    if uses_relevance:
        rates = np.stack([relative_learning_rates(member) for member in relevance])
    if used is not None:
        rates[~used] = 0.0
    rates = rates[:, transform.input_features]
    if encoded is not None:
        of_bins = rates[:, transform.scaler.n_outputs :]
        of_bins[~np.repeat(encoded, encoding.n_bins, axis=1)] = 0.0
    return Inputs(transform, used, rates)


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
