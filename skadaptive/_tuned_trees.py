"""Boosted trees with parameters that a random search on inner folds has chosen."""

from typing import Any, Self

import numpy as np
from scipy.stats import loguniform, randint, uniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics import average_precision_score, brier_score_loss, make_scorer
from sklearn.model_selection import GridSearchCV, ParameterSampler
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ._committee.folds import make_folds
from ._parameters import rare_class
from ._sklearn_compat import check_sample_weight
from ._typing import ArrayLike, Estimator, FloatArray, Fold, IntArray, Label, Table
from ._warnings import warn


def _log_integers(low: int, high: int) -> list[int]:
    """Integers that lie about evenly on a logarithmic scale, to draw from."""
    return np.unique(np.geomspace(low, high, 40).round().astype(int)).tolist()


# What the random settings are drawn from, by the class of the trees. A number of trees
# takes the place of early stopping, which would hold out rare rows once more, and the
# learning rates are those that so many trees can make use of.
_LEARNING_RATES = loguniform(0.01, 0.3)
_N_TREES = _log_integers(50, 500)
_SPACES: dict[str, dict[str, Any]] = {
    # After L. Grinsztajn, E. Oyallon and G. Varoquaux, "Why do tree-based models still
    # outperform deep learning on typical tabular data?", NeurIPS 2022, appendix.
    "HistGradientBoostingClassifier": {
        "max_iter": _N_TREES,
        "learning_rate": _LEARNING_RATES,
        "max_leaf_nodes": _log_integers(8, 64),
        "max_depth": [None, 2, 3, 4],
        "min_samples_leaf": _log_integers(5, 80),
        "l2_regularization": loguniform(1e-8, 10),
    },
    "XGBoost": {
        "n_estimators": _N_TREES,
        "learning_rate": _LEARNING_RATES,
        "max_depth": randint(1, 12),
        "min_child_weight": loguniform(1, 100),
        "subsample": uniform(0.5, 0.5),
        "colsample_bytree": uniform(0.5, 0.5),
        "gamma": loguniform(1e-8, 7),
        "reg_alpha": loguniform(1e-8, 100),
        "reg_lambda": loguniform(1, 4),
    },
    # After R. Shwartz-Ziv and A. Armon, "Tabular data: Deep learning is not all you
    # need", Information Fusion 81, 2022, appendix.
    "LGBMClassifier": {
        "n_estimators": _N_TREES,
        "learning_rate": _LEARNING_RATES,
        "num_leaves": _log_integers(2, 256),
        "min_child_samples": _log_integers(1, 400),
        "subsample": uniform(0.5, 0.5),
        "subsample_freq": [1],
        "colsample_bytree": uniform(0.5, 0.5),
        "reg_alpha": loguniform(1e-7, 7),
        "reg_lambda": loguniform(1e-7, 7),
    },
    # The depth is that of Y. Gorishniy, I. Rubachev, V. Khrulkov and A. Babenko,
    # "Revisiting deep learning models for tabular data", NeurIPS 2021, but for 9 and
    # 10, whose trees of up to 1,024 leaves take most of the time.
    "CatBoost": {
        "iterations": _log_integers(100, 1000),
        "learning_rate": _LEARNING_RATES,
        "depth": randint(3, 9),
        "l2_leaf_reg": loguniform(1, 10),
        "bagging_temperature": uniform(0, 1),
        "leaf_estimation_iterations": randint(1, 11),
        "random_strength": randint(1, 21),
        "one_hot_max_size": randint(2, 26),
    },
}


class TunedTrees(ClassifierMixin, BaseEstimator):
    """Boosted trees with parameters that a random search on inner folds has chosen.

    The first setting is the library's defaults, so that tuning is no worse than these
    on the inner folds. The others are drawn from ranges of the literature.

    Parameters
    ----------
    trees : estimator
        ``HistGradientBoostingClassifier``, ``LGBMClassifier``, or ``XGBoost`` or
        ``CatBoost`` of :mod:`skadaptive.contenders`.
    n_trials : int, default=20
        Number of settings.
    scoring : str, default="average_precision"
        The score that chooses; see :func:`skadaptive.contenders.tuned_contenders`.
    cv : int or splitter, default=3
        The inner folds. An int makes stratified, shuffled ones, which keep groups
        together.
    pos_label : label, default=None
        The rare class. None finds it as ``AdaptiveHybridClassifier`` does.
    random_state : int, RandomState instance or None, default=None
        The seed of the settings and of the inner folds.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    best_estimator_ : estimator
        The trees with the best setting, fitted to all rows.
    best_params_ : dict
        The best setting: parameters of ``trees``, none for the library's defaults.
    best_score_ : float
        Mean score of the best setting on the inner folds; NaN if there were none.
    """

    def __init__(
        self,
        trees: Estimator,
        n_trials: int = 20,
        *,
        scoring: str = "average_precision",
        cv: Any = 3,
        pos_label: Label | None = None,
        random_state: Any = None,
    ) -> None:
        self.trees = trees
        self.n_trials = n_trials
        self.scoring = scoring
        self.cv = cv
        self.pos_label = pos_label
        self.random_state = random_state

    def fit(
        self,
        X: Table,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Try the settings on the inner folds, and fit the best one to all rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features.
        y : array-like of shape (n_samples,)
            Labels of two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            The non-negative weights of the rows, in the fits and, from scikit-learn 1.7
            on, in the scores of the inner folds. Rows of weight 0 are in no fold.
        groups : array-like of shape (n_samples,), default=None
            The rows of one group are in the same inner fold.

        Returns
        -------
        self
            The fitted classifier.

        Warns
        -----
        UserWarning
            If no inner fold has rows of both classes in both parts. The trees then have
            the library's defaults.
        """
        y = np.asarray(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        rare = self.pos_label
        if rare is None:
            weight = None if sample_weight is None else np.asarray(sample_weight)
            totals = np.bincount(codes, weight).astype(float)
            rare = self.classes_[rare_class(totals)]
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        is_rare = (y == rare).astype(int)
        folds = self._folds(X, is_rare, sample_weight, groups, seed)
        fit = {} if sample_weight is None else {"sample_weight": sample_weight}
        if not folds:
            self.best_estimator_ = clone(self.trees).fit(X, y, **fit)
            self.best_params_, self.best_score_ = {}, np.nan
            return self
        # The settings of a random search, of which the first is not random.
        search = GridSearchCV(
            self.trees,
            self._settings(seed),
            scoring=_scorer(self.scoring, rare),
            cv=folds,
        )
        search.fit(X, y, **fit)
        self.best_estimator_ = search.best_estimator_
        self.best_params_ = search.best_params_
        self.best_score_ = float(search.best_score_)
        return self

    def _folds(
        self,
        X: Table,
        is_rare: IntArray,
        sample_weight: ArrayLike | None,
        groups: ArrayLike | None,
        seed: int,
    ) -> list[Fold]:
        """Inner folds that can be scored: both parts have rows of both classes."""
        weight = check_sample_weight(sample_weight, is_rare)
        why = "No inner fold has rows of both classes to score"
        try:
            made = make_folds(self.cv, X, is_rare, weight, groups, seed)
        except ValueError as error:  # say, a single rare row, or only late ones
            made, why = [], str(error).rstrip(".")
        folds = [fold for fold in made if len(np.unique(is_rare[fold[1]])) == 2]
        if not folds:
            warn(f"{why}: the trees keep the library's default parameters.")
        return folds

    def _settings(self, seed: int) -> list[dict[str, list]]:
        """Grids of one point each: the defaults, and random settings."""
        space = _SPACES[type(self.trees).__name__]
        drawn = [
            # Numbers of NumPy would each become a file of their own in a model file.
            {n: v.item() if isinstance(v, np.generic) else v for n, v in draw.items()}
            for draw in ParameterSampler(space, self.n_trials - 1, random_state=seed)
        ]
        if hasattr(self.trees, "options"):
            drawn = [{"options": draw} for draw in drawn]
        grids = [{name: [v] for name, v in draw.items()} for draw in drawn]
        return [{}, *grids]

    def predict(self, X: Table) -> np.ndarray:
        """Predict the most probable class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows to predict, with the features of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,)
            The class labels.
        """
        check_is_fitted(self)
        return self.best_estimator_.predict(X)

    def predict_proba(self, X: Table) -> FloatArray:
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows to predict, with the features of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            The probabilities, with columns in the order of ``classes_``.
        """
        check_is_fitted(self)
        return self.best_estimator_.predict_proba(X)


def _scorer(scoring: str, rare: Label) -> Any:
    """The scorer of a measure of probabilities, else that of average precision."""
    if scoring in ("roc_auc", "neg_log_loss"):
        return scoring  # the same for either class
    options = {"response_method": "predict_proba", "pos_label": rare}
    if scoring in ("brier_score", "neg_brier_score"):
        return make_scorer(brier_score_loss, greater_is_better=False, **options)
    return make_scorer(average_precision_score, **options)
