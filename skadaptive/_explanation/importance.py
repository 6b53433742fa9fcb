"""Permutation importance with intervals over permutations and rows.

The importance of a group of features is the score of the rows less the mean score after
its values were permuted, all columns of the group together (Breiman, "Random Forests",
Machine Learning 45, 2001). Rows that went through different committee members do not
exchange values: a value that a member has trained on may have more to say to it.

The interval is that of a delete-a-group jackknife (Shao and Tu, "The Jackknife and
Bootstrap", Springer 1995): the rows are dealt into blocks, and the difference of scores
is computed without each block in turn. A row keeps its original and its permuted
predictions, so that the spread over blocks holds both the choice of the rows and that
of the permutations.

Rows that are held out from one member train the others. If a feature without effect
happens to go with the class in all rows, all members learn that, and all held-out rows
bear it out: a pair of rows counts twice, once with each of them as the training row. So
the variance of the score that is due to chance alone doubles, of which the jackknife
sees one half. The variance over the permutations is the other half.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student
from sklearn.metrics import get_scorer

from .._committee.rows import drawn_shares, n_drawn
from .._committee.scoring import KnownPredictions, checked_score
from .._sklearn_compat import takes_sample_weight

# Blocks of the jackknife. The quantile of Student's distribution makes up for so few.
# Other scores than average precision call scikit-learn's function for every block.
_N_BLOCKS, _N_BLOCKS_OTHER = 20, 10
_LEVEL = 0.95
# Scores of these names need no predicted labels, and those of decision values work
# without probabilities.
_OF_PROBABILITIES = {
    "average_precision",
    "roc_auc",
    "neg_log_loss",
    "neg_brier_score",
    "d2_log_loss_score",
    "d2_brier_score",
}
_OF_RANKS = {"average_precision", "roc_auc"}


@dataclass(frozen=True)
class ScoredTable:
    """Rows that are scored, and how.

    Attributes
    ----------
    model : ExplainedModel
    table : MixableTable
    rows : ndarray of int, shape (n,)
        Rows of the table that are scored.
    y : ndarray of shape (n,)
        Their labels.
    weight : ndarray of shape (n,)
    scoring : str or callable
    """

    model: Any
    table: Any
    rows: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    scoring: Any

    @property
    def members(self):
        """Members that held out each of the rows, or None."""
        members = self.model.members
        return None if members is None else members[self.rows]

    @property
    def is_cross_fitted(self):
        """Whether rows that are held out from one member have trained another."""
        members = self.members
        return members is not None and np.unique(members).size > 1

    def permutation(self, rng):
        """Positions of the rows in random order, each within its fold."""
        order = np.arange(len(self.rows))
        members = self.members
        if members is None or members.shape[1] > 1:
            return rng.permutation(order)
        for member in np.unique(members):
            same = np.flatnonzero(members[:, 0] == member)
            order[same] = rng.permutation(same)
        return order


def permutation_importance(scored, groups, n_repeats, rng):
    """Importance of each group with its 95 % interval.

    Parameters
    ----------
    scored : ScoredTable
    groups : list of list of int
        Columns of each group.
    n_repeats : int
        Permutations of each group.
    rng : numpy.random.Generator

    Returns
    -------
    score : float
    importances : ndarray of shape (n_groups, n_repeats)
        One by permutation.
    half_width : ndarray of shape (n_groups,)
        Half of the width of the interval around the mean over the permutations.
    """
    score = _Scorer(scored, _blocks(scored, rng))
    original = score(scored.rows, {})
    n_blocks = len(original) - 1
    importances = np.empty((len(groups), n_repeats))
    half_width = np.empty(len(groups))
    quantile = student.ppf((1 + _LEVEL) / 2, n_blocks - 1)
    for group, columns in enumerate(groups):
        permuted = np.empty((n_repeats, n_blocks + 1))
        for repeat in range(n_repeats):
            others = scored.rows[scored.permutation(rng)]
            permuted[repeat] = score(scored.rows, dict.fromkeys(columns, others))
        importances[group] = original[0] - permuted[:, 0]
        difference = (original - permuted.mean(axis=0))[1:]
        variance = jackknife_variance(difference)
        if scored.is_cross_fitted and n_repeats > 1:
            variance += permuted[:, 0].var(ddof=1)
        half_width[group] = quantile * np.sqrt(variance)
    return float(original[0]), importances, half_width


def jackknife_variance(without):
    """Variance of a statistic, from its values without each block of rows in turn.

    Parameters
    ----------
    without : ndarray of shape (n_blocks,)

    Returns
    -------
    float
    """
    return (len(without) - 1) * np.var(without)


def draw_rows(is_class, weight, candidates, max_samples, scoring, rng):
    """Draw the rows to score, of which no more than ``max_samples``.

    Common rows are thinned out first, and weigh more for that. A scorer that takes no
    weights gets a plain random sample.

    Parameters
    ----------
    is_class : ndarray of bool, shape (n_rows,)
    weight : ndarray of shape (n_rows,)
    candidates : ndarray of int
        Rows to draw from.
    max_samples : int
    scoring : str or callable
    rng : numpy.random.Generator

    Returns
    -------
    rows : ndarray of int
        In increasing order.
    weight : ndarray of shape (n_drawn,)
    """
    if len(candidates) <= max_samples:
        return candidates, weight[candidates]
    scorer = scoring if callable(scoring) else get_scorer(scoring)
    if not takes_sample_weight(scorer):
        rows = np.sort(rng.choice(candidates, max_samples, replace=False))
        return rows, weight[rows]
    classes = [candidates[is_class[candidates] == label] for label in (False, True)]
    counts = np.array([len(rows) for rows in classes])
    shares = drawn_shares(counts, max_samples)
    drawn = [
        rng.permutation(rows)[: n_drawn(len(rows), share)]
        for rows, share in zip(classes, shares, strict=True)
        if len(rows)
    ]
    rows = np.sort(np.concatenate(drawn))
    return rows, weight[rows] / shares[is_class[rows].astype(int)]


def average_precision_without(is_class, scores, weight, block):
    """Average precision of all rows, and of all rows but those of each block.

    Parameters
    ----------
    is_class : ndarray of bool, shape (n,)
    scores, weight : ndarray of shape (n,)
    block : ndarray of int, shape (n,)
        Number of each row's block.

    Returns
    -------
    ndarray of shape (1 + n_blocks,)
    """
    order = np.argsort(-scores, kind="stable")
    scores, block = scores[order], block[order]
    ends = np.flatnonzero(np.r_[scores[1:] != scores[:-1], True])
    of_block = np.zeros((len(order), block.max() + 1))
    of_block[np.arange(len(order)), block] = weight[order]
    found = np.cumsum(of_block * is_class[order, None], axis=0)[ends]
    named = np.cumsum(of_block, axis=0)[ends]
    found, named = (
        np.column_stack([total := part.sum(axis=1), total[:, None] - part])
        for part in (found, named)
    )
    precision = np.divide(found, named, out=np.zeros_like(found), where=named > 0)
    gained = np.diff(found, axis=0, prepend=0.0)
    return (gained * precision).sum(axis=0) / found[-1]


class _Scorer:
    """Scores of the rows with some columns replaced: of all, and without each block."""

    def __init__(self, scored, block):
        self.scored, self.block = scored, block
        self.is_class = scored.y == scored.model.label
        self.scorer = scored.scoring
        self.rule = None
        if scored.scoring == "average_precision":
            return
        self._check_scores_exist()
        if callable(scored.scoring) or scored.scoring not in _OF_PROBABILITIES:
            self.rule = scored.model.label_rule(scored.table.mixed(scored.rows))
        if not callable(scored.scoring):
            self.scorer = get_scorer(scored.scoring)
        self.is_weighted = takes_sample_weight(self.scorer) and not np.all(
            scored.weight == scored.weight[0]
        )

    def __call__(self, rows, replaced):
        scored = self.scored
        X, members = scored.table.mixed(rows, replaced), scored.members
        if scored.scoring == "average_precision":
            scores = scored.model.scores(X, members)
            return average_precision_without(
                self.is_class, scores, scored.weight, self.block
            )
        known, target = self._predictions(X, members)
        kept = [np.ones(len(rows), dtype=bool)]
        kept += [self.block != number for number in range(self.block.max() + 1)]
        return np.array([self._score(known, target, X, part) for part in kept])

    def _predictions(self, X, members):
        """Arrays of labels, probabilities and scores, and the target of the scorer."""
        model, scored = self.scored.model, self.scored
        if not model.has_probabilities:
            scores = model.scores(X, members)
            return (scores, scores, scores), self.is_class.astype(int)
        proba = model.proba(X, members)
        labels = np.zeros(len(proba), dtype=int)
        if self.rule is not None:
            labels = self.rule(X, proba, members)
        if callable(scored.scoring):  # it gets the labels of the user
            scores = proba[:, 1] if len(model.classes) == 2 else proba
            return (model.classes[labels], proba, scores), scored.y
        score = proba[:, model.index]
        both = np.column_stack([1 - score, score])
        return ((labels == model.index).astype(int), both, score), self.is_class.astype(
            int
        )

    def _score(self, known, target, X, part):
        classes = self.scored.model.classes
        if not callable(self.scored.scoring):
            classes = np.array([0, 1])
        known = KnownPredictions(classes, *(values[part] for values in known))
        keywords = {"sample_weight": self.scored.weight[part]}
        keywords = keywords if self.is_weighted else {}
        rows = X.iloc if hasattr(X, "iloc") else X
        score = self.scorer(known, rows[part], target[part], **keywords)
        return checked_score(score, self.scored.scoring, f"{part.sum()} rows")

    def _check_scores_exist(self):
        scoring, model = self.scored.scoring, self.scored.model
        if not model.has_probabilities and scoring not in _OF_RANKS:
            raise ValueError(
                f"{type(model.estimator).__name__} has no predict_proba: scoring must "
                f"be one of {', '.join(sorted(_OF_RANKS))}; got {scoring!r}. Or wrap "
                "it in sklearn.calibration.CalibratedClassifierCV."
            )


def _blocks(scored, rng):
    """Number of a block for each row, about as many rows of the class in each."""
    is_class = scored.y == scored.model.label
    block = np.empty(len(is_class), dtype=int)
    start = 0
    is_quick = scored.scoring == "average_precision"
    n_blocks = min(_N_BLOCKS if is_quick else _N_BLOCKS_OTHER, len(is_class))
    for label in (True, False):
        rows = rng.permutation(np.flatnonzero(is_class == label))
        block[rows] = (start + np.arange(len(rows))) % n_blocks
        start += len(rows)
    return block
