"""Shapley values of single predictions, by sampling.

A contribution is the mean change of the log-odds when a feature takes the value of the
row instead of that of a background row, over random orders in which the features change
(Shapley, 1953; Strumbelj and Kononenko, "Explaining prediction models and individual
predictions with feature contributions", Knowledge and Information Systems 41, 2014).
Each walk leads from a background row to the explained row, so that its changes add up
to the difference of their log-odds. Every background row begins the same number of
walks, and so the mean contributions add up to the log-odds of the row less the mean of
the background. Walks come in pairs with opposite orders, which cancels much of the
error (antithetic sampling; Mitchell et al., "Sampling Permutations for Shapley Value
Estimation", JMLR 23, 2022).
"""

import numpy as np

#: Most background rows, and about the number of walks per explained row.
MOST_BACKGROUND = 200
# Rows that are predicted at a time.
_MOST_ROWS = 20_000


def shapley_values(model, table, members, n_rows, units, rng):
    """Contributions of units of features to the log-odds of rows.

    The same walks serve all rows, so that what is said of a row does not depend on the
    others.

    Parameters
    ----------
    model : ExplainedModel
    table : MixableTable
        It holds the explained rows, and then the background rows.
    members : ndarray of shape (n_rows, n_times) or None
        Members that predict each explained row.
    n_rows : int
        Number of explained rows.
    units : list of list of int
        Columns of each unit.
    rng : numpy.random.Generator

    Returns
    -------
    values : ndarray of shape (n_rows, n_units)
    base : ndarray of shape (n_rows,)
        Mean log-odds of the background, by the members that predict the row.
    log_odds : ndarray of shape (n_rows,)
        Log-odds of the rows; ``values`` add up to these less ``base``.
    """
    background = np.arange(n_rows, len(table))
    orders, starts = _walks(model, table, background, len(units), rng)
    n_walks, n_units = orders.shape
    values = np.empty((n_rows, n_units))
    base, log_odds = np.empty(n_rows), np.empty(n_rows)

    def ask(sources, replaced, row):
        asked = None if members is None else members[row]
        return model.log_odds(table.mixed(sources, replaced), asked)

    step = max(1, _MOST_ROWS // (n_walks * (n_units + 1)))
    for first in range(0, n_rows, step):
        part = slice(first, first + step)
        rows = np.arange(n_rows)[part]
        path = _log_odds_along(ask, table.codes, rows, (starts, orders), units)
        changes = np.diff(path, axis=2)  # (n_rows, n_walks, n_units), in walking order
        place = np.argsort(orders, axis=1)[None]
        values[part] = np.take_along_axis(changes, place, axis=2).mean(axis=1)
        base[part] = path[:, :, 0].mean(axis=1)
        log_odds[part] = path[:, 0, -1]
    return values, base, log_odds


def _walks(model, table, background, n_units, rng):
    """Orders of the units and background rows where the walks start.

    Returns
    -------
    orders : ndarray of shape (n_walks, n_units)
        Unit that changes at each step.
    starts : ndarray of int, shape (n_walks,)
    """
    # The two walks of a pair start from rows that are much alike.
    ranked = background[np.argsort(model.log_odds(table.mixed(background)))]
    starts = np.repeat(ranked, max(1, MOST_BACKGROUND // len(background)))
    n_pairs = -(-len(starts) // 2)
    forward = rng.permuted(np.tile(np.arange(n_units), (n_pairs, 1)), axis=1)
    orders = np.stack([forward, forward[:, ::-1]], axis=1).reshape(-1, n_units)
    return orders[: len(starts)], starts


def _log_odds_along(ask, codes, rows, walks, units):
    """Log-odds before, between and after the steps, (n_rows, n_walks, n_units + 1).

    A step that changes no value is not predicted: it keeps the log-odds.
    """
    starts, orders = walks
    n_units = orders.shape[1]
    differs = np.stack(
        [
            (codes[rows][:, None, columns] != codes[starts][None, :, columns]).any(2)
            for columns in units
        ],
        axis=2,
    )  # (n_rows, n_walks, n_units)
    changed = np.take_along_axis(differs, orders[None], axis=2)
    asked = np.concatenate([np.ones_like(changed[:, :, :1]), changed], axis=2)
    asked[:, 1:, -1] = False  # all walks end at the same row
    asked[:, 0, -1] = True
    row, walk, step = np.nonzero(asked)
    place = np.argsort(orders, axis=1)  # step at which each unit changes
    answers = np.empty(len(row))
    # If there are many features, all walks of one row may not fit into memory.
    for first in range(0, len(row), _MOST_ROWS):
        part = slice(first, first + _MOST_ROWS)
        begin, end = starts[walk[part]], rows[row[part]]
        replaced = {}
        for unit, columns in enumerate(units):
            has_changed = place[walk[part], unit] < step[part]
            replaced |= dict.fromkeys(columns, np.where(has_changed, end, begin))
        answers[part] = ask(begin, replaced, end)
    path = np.full(asked.shape, np.nan)
    path[asked] = answers
    path[:, :, -1] = path[:, :1, -1]
    # A step without an answer has that of the last step before it which has one.
    latest = np.where(np.isnan(path), 0, np.arange(n_units + 1))
    latest = np.maximum.accumulate(latest, axis=2)
    return np.take_along_axis(path, latest, axis=2)
