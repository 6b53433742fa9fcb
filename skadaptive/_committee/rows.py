"""The rows that a committee trains on, and which of them each member holds out."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._typing import Fold


@dataclass(frozen=True)
class TrainingRows:
    """Rows as numbers, with their folds.

    Attributes
    ----------
    X : ndarray or CSR table of shape (n_rows, n_features)
        The rows of ``fit``, then validation rows, then those that a sampler made.
    y : ndarray of shape (n_rows,)
        Class indices.
    weight : ndarray of shape (n_rows,)
        Sample weights.
    folds : list of (train, test)
        Row numbers, one pair per member.
    """

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    folds: list[Fold]

    def __len__(self) -> int:
        return len(self.y)

    @property
    def held_out(self) -> np.ndarray:
        """Numbers of the rows that any member holds out, increasing."""
        is_held_out = np.zeros(len(self), dtype=bool)
        for _, test in self.folds:
            is_held_out[test] = True
        return np.flatnonzero(is_held_out)

    @property
    def most_trained_on(self) -> int:
        """Largest number of training rows of a member."""
        return max(len(train) for train, _ in self.folds)

    def training_counts(self, n_classes: int) -> np.ndarray:
        """Training rows of each member by class, (n_members, n_classes)."""
        return np.stack(
            [np.bincount(self.y[train], minlength=n_classes) for train, _ in self.folds]
        )

    def class_totals(self, n_classes: int) -> np.ndarray:
        """Weight of each class in the training rows, summed over the members."""
        totals = [
            np.bincount(self.y[train], self.weight[train], n_classes)
            for train, _ in self.folds
        ]
        return sum(totals[1:], totals[0])

    def with_weight(self, weight: np.ndarray) -> "TrainingRows":
        """Return the same rows with other weights."""
        return replace(self, weight=weight)

    def with_classes_swapped(self) -> "TrainingRows":
        """Return the same rows of two classes, with class 0 as 1 and class 1 as 0."""
        return replace(self, y=1 - self.y)

    def scored_sample(self, n_most: int, seed: int) -> "TrainingRows":
        """Return rows of which no more than ``n_most`` are held out, in all.

        They are drawn at random within each class, see :func:`drawn_shares`, and weigh
        as much as the whole class. If fewer are held out, the result is ``self``.
        """
        held_out = self.held_out
        if len(held_out) <= n_most:
            return self
        counts = np.bincount(self.y[held_out], minlength=self.y.max() + 1)
        shares = drawn_shares(counts, n_most)
        rng = np.random.default_rng(seed)
        is_drawn = np.zeros(len(self), dtype=bool)
        for label, share in enumerate(shares):
            rows = held_out[self.y[held_out] == label]
            is_drawn[rng.permutation(rows)[: n_drawn(len(rows), share)]] = True
        return replace(
            self,
            weight=self.weight / shares[self.y],
            folds=[(train, test[is_drawn[test]]) for train, test in self.folds],
        )


def drawn_shares(counts: np.ndarray, n_most: int) -> np.ndarray:
    """Share of the rows of each class to draw, if ``n_most`` rows are drawn in all.

    As many rows of each class are drawn as there are, but no more than some number
    that is the same for all classes. So common classes are thinned out first, which
    costs least: errors on rare rows decide how good a classifier is.

    Parameters
    ----------
    counts : ndarray of shape (n_classes,)
        Rows of each class.
    n_most : int

    Returns
    -------
    ndarray of shape (n_classes,)
        In (0, 1].
    """
    quota = left = float(n_most)
    for n_before, count in enumerate(np.sort(counts)):
        quota = left / (len(counts) - n_before)
        if count > quota:
            break
        left -= count
    else:
        return np.ones(len(counts))
    return np.minimum(1.0, quota / np.maximum(counts, 1))


def n_drawn(n_rows: Any, share: Any) -> Any:
    """Whole numbers of rows that are a share of them, at least one of any.

    Parameters and result are numbers or arrays.
    """
    return np.minimum(n_rows, np.maximum(1, np.floor(share * n_rows))).astype(int)
