"""Batches of row numbers: every member passes over its own training rows."""

import numpy as np

from .._committee.rows import n_drawn

# Fewest steps of an epoch under batch_size="auto". With few rows an epoch makes several
# passes, because one step per epoch would train too little.
MIN_STEPS = 4


class Batches:
    """Stratified, shuffled batches of the training rows of every member.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        Class indices.
    folds : list of (train, test)
    plan : TrainingPlan
    batch_size : int
        Width of a batch, at least that of the plan's.
    rng : numpy.random.Generator
    """

    def __init__(self, y, folds, plan, batch_size, rng):
        self._orders = [train for train, _ in folds]
        self._by_class = [
            [
                # int32 is that of the batches, and takes half the memory of an index.
                _Rows(train[y[train] == label].astype(np.int32), share, rng)
                for label, share in enumerate(plan.drawn_shares)
            ]
            for train in self._orders
        ]
        self._plan, self._batch_size, self._rng = plan, batch_size, rng
        self._filler = len(y)

    def draw(self):
        """Batches of the next epoch, (n_steps, n_members, batch_size), int32."""
        passes = [self._one_pass() for _ in range(self._plan.n_passes)]
        return np.concatenate(passes) if len(passes) > 1 else passes[0]

    def _one_pass(self):
        orders, n_steps = self._orders, self._plan.n_steps
        if n_steps > 1:  # a single batch needs no shuffling
            orders = [
                stratified_order(self._rng, [rows.draw() for rows in classes])
                for classes in self._by_class
            ]
        return epoch_batches(orders, n_steps, self._batch_size, self._filler)


def held_out_rows(folds, filler):
    """Numbers of the rows that each member holds out, filled up to the same length.

    Parameters
    ----------
    folds : list of (train, test)
    filler : int

    Returns
    -------
    ndarray of shape (n_members, n_rows), int32
    """
    tests = [test for _, test in folds]
    return epoch_batches(tests, 1, max(map(len, tests)), filler)[0]


class _Rows:
    """Rows of one class, of which each pass takes a share.

    Passes take them in turn, so that no row comes again before most have come.
    """

    def __init__(self, rows, share, rng):
        self._rows, self._rng = rows, rng
        self._n_drawn = n_drawn(len(rows), share)
        self._start = len(rows)

    def draw(self):
        """The rows of the next pass."""
        if self._n_drawn == len(self._rows):
            return self._rows
        if self._start + self._n_drawn > len(self._rows):
            self._rows, self._start = self._rng.permutation(self._rows), 0
        self._start += self._n_drawn
        return self._rows[self._start - self._n_drawn : self._start]


def auto_batch_size(n_rows):
    """Power of two near n_rows / 16, from 64 to 256; 512 above 24,000 rows.

    Small tables lose with 512, large ones do not (docs/research/027).
    """
    most = 512 if n_rows > 24_000 else 256
    return int(np.clip(2 ** np.round(np.log2(n_rows / 16)), 64, most))


def stratified_order(rng, by_class):
    """Draw a random order in which every class comes at even distances.

    Any run of consecutive rows then holds its share of rare rows, give or take one.
    Without stratification, 64 % of batches of 256 hold no rare row at a prevalence of
    0.17 %.

    Parameters
    ----------
    rng : numpy.random.Generator
    by_class : list of ndarray
        The row numbers of each class.

    Returns
    -------
    ndarray
        All row numbers.
    """
    *minor, largest = sorted(by_class, key=len)
    n_minor, n_rows = sum(map(len, minor)), sum(map(len, by_class))
    shuffled = rng.permutation(largest)
    if not n_minor:
        return shuffled
    rows = np.concatenate([rng.permutation(rows) for rows in minor])
    place = np.concatenate(
        [(np.arange(len(rows)) + rng.random(len(rows))) / len(rows) for rows in minor]
    )
    by_place = np.argsort(place)
    # Positions become whole numbers in the range, moved apart where two are equal.
    rank = np.arange(n_minor)
    positions = np.floor(place[by_place] * n_rows).astype(int)
    positions = np.maximum.accumulate(positions - rank) + rank
    positions = np.minimum(positions, n_rows - n_minor + rank)
    order = np.empty(n_rows, dtype=largest.dtype)
    free = np.ones(n_rows, dtype=bool)
    free[positions] = False
    order[positions] = rows[by_place]
    order[free] = shuffled
    return order


def epoch_batches(orders, n_steps, batch_size, filler):
    """Cut one order of rows per member into the steps of a pass.

    Every member passes once over its own rows, in the same number of steps; a
    member with fewer rows has fewer of them in each batch.

    Parameters
    ----------
    orders : list of ndarray
        Row numbers of each member, at most ``n_steps * batch_size``.
    n_steps, batch_size : int
    filler : int
        Row number (of weight 0) that fills up the batches.

    Returns
    -------
    ndarray of shape (n_steps, n_members, batch_size), int32
    """
    batches = np.full((n_steps, len(orders), batch_size), filler, dtype=np.int32)
    for member, order in enumerate(orders):
        cuts = np.arange(n_steps + 1) * len(order) // n_steps
        taken = np.arange(batch_size) < np.diff(cuts)[:, None]
        batches[:, member][taken] = order
    return batches
