"""Which members held out each row of a fit, so that it can be predicted as if new.

A fitted estimator keeps one small number per row and held-out fold, and a fingerprint
of the table. A table with the same fingerprint is that of the fit: each of its rows
then goes through the members that did not train on it.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array, issparse

# Rows that are hashed at a time.
_ROWS = 2**14
#: Stands in ``SeenRows.members`` where no member, or no further one, held a row out.
NONE = -1


@dataclass(frozen=True)
class SeenRows:
    """The rows of a fit, and the members that held them out.

    Attributes
    ----------
    fingerprint : str
        Hash of the table, as numbers.
    is_sparse : bool
        Whether the table was sparse, which its hash depends on.
    members : ndarray of shape (n_rows, n_times)
        Numbers of the members that held each row out, filled up with -1. ``n_times``
        is 1 unless a splitter holds rows out several times.
    """

    fingerprint: str
    is_sparse: bool
    members: np.ndarray

    @classmethod
    def of(cls, table, folds):
        """Record the folds of a table.

        Parameters
        ----------
        table : ndarray or CSR table of shape (n_rows, n_features)
        folds : list of (train, test)
            One pair per member. Numbers of rows beyond the table, which are validation
            rows, are left out.

        Returns
        -------
        SeenRows
        """
        n_rows = table.shape[0]
        counts = np.zeros(n_rows, dtype=int)
        places = []
        for _, test in folds:
            test = test[test < n_rows]
            places.append((test, counts[test]))
            counts[test] += 1
        shape = n_rows, max(1, counts.max(initial=0))
        members = np.full(shape, NONE, dtype=np.min_scalar_type(-max(1, len(folds))))
        for member, (test, place) in enumerate(places):
            members[test, place] = member
        return cls(_fingerprint(table), issparse(table), members)

    def after(self, earlier):
        """The record of a training that continues from one on other or equal rows.

        Parameters
        ----------
        earlier : SeenRows or None
            Record of the training before.

        Returns
        -------
        SeenRows
            This one if the earlier is the same. Else members may have trained on rows
            that they hold out now, so that none counts as held out.
        """
        if (
            earlier is not None
            and earlier.fingerprint == self.fingerprint
            and np.array_equal(earlier.members, self.members)
        ):
            return self
        return replace(self, members=np.full_like(self.members[:, :1], NONE))

    def match(self, table):
        """Members that held out each row, if this is the table of the fit, or None.

        Parameters
        ----------
        table : ndarray of shape (n_rows, n_features)
            As numbers.

        Returns
        -------
        ndarray of shape (n_rows, n_times) or None
        """
        if table.shape[0] != len(self.members):
            return None
        same = _fingerprint(csr_array(table) if self.is_sparse else table)
        return self.members if same == self.fingerprint else None


def held_out_logits(committee, X, members):
    """Calibrated logits of rows, each by the members that held it out.

    They are the logits of ``oof_proba_``: the members' logits are averaged before they
    are calibrated. A row that no member held out goes through the whole committee.

    Parameters
    ----------
    committee : Committee
    X : ndarray of shape (n_rows, n_features)
        What ``committee.logits`` takes.
    members : ndarray of shape (n_rows, n_times)
        See :class:`SeenRows`.

    Returns
    -------
    ndarray of shape (n_rows, n_outputs)
    """
    total = np.zeros((len(X), committee.n_outputs))
    for column in members.T:
        for member in np.unique(column[column != NONE]):
            rows = np.flatnonzero(column == member)
            total[rows] += committee.logits(X[rows], int(member))
    count = (members != NONE).sum(axis=1)
    held_out = count > 0
    logits = total[held_out] / count[held_out, None]
    if committee.calibration is not None:
        logits = committee.calibration(logits)
    total[held_out] = logits
    if not held_out.all():
        total[~held_out] = committee.logits(X[~held_out])
    return total


def _fingerprint(table):
    """Hash of a table, the same for float32 and float64, and for 0.0 and -0.0."""
    digest = hashlib.blake2b(repr(table.shape).encode(), digest_size=16)
    if issparse(table):
        parts = (table.indptr.astype(np.int64), table.indices.astype(np.int64))
        for part in parts:
            digest.update(part.tobytes())
        table = table.data[:, None]
    for start in range(0, len(table), _ROWS):
        block = table[start : start + _ROWS].astype(np.float64, order="C") + 0.0
        block[np.isnan(block)] = np.nan  # which has many bit patterns
        digest.update(block.tobytes())
    return digest.hexdigest()
