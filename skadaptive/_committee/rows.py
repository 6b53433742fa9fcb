"""The rows that a committee trains on, and which of them each member holds out."""

from dataclasses import dataclass, replace

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
        """Numbers of the rows that any member holds out."""
        return np.unique(np.concatenate([test for _, test in self.folds]))

    @property
    def most_trained_on(self) -> int:
        """Largest number of training rows of a member."""
        return max(len(train) for train, _ in self.folds)

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
