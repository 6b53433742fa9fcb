"""The estimator: parameters, input checks, the order of the steps."""

import importlib
import warnings
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.metrics import get_scorer_names
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from . import adaptation, inference
from .folds import make_folds, pool
from .monitor import Monitor
from .preprocessing import RobustScaler
from .scoring import Judge, labels

_OPTIMIZERS = {
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "lion",
    "nadam",
    "rmsprop",
    "sgd",
}


class AdaptiveHybridClassifier(ClassifierMixin, BaseEstimator):
    """Neural classifier for rare classes.

    A committee of small networks, each held out from another fold of the training
    rows, trained as one on a hybrid of cross-entropy, focal loss and soft Dice loss.
    The score of the pooled out-of-fold predictions moves the mix of the three during
    training, stops the training and chooses the epoch that is kept, so that no rare
    row is spent on a validation set. Features are put on a common scale inside.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int, default=(128, 64)
        Units of each hidden layer. Empty: a linear model.

    activation : {"relu", "selu", "elu", "gelu", "silu", "tanh"}, default="relu"
        Activation of the hidden layers.

    dropout : float, default=0.0
        Share of hidden units dropped in each training step, in [0, 1).

    gamma : float, default=2.0
        Focusing parameter of the focal loss: the greater, the less rows count that
        are already classified well.

    alpha : float or array-like of shape (n_classes,), default=0.75
        Class weights of the focal loss. A float in [0, 1] is the weight of the rare
        class, the others get ``1 - alpha``; an array has one non-negative weight per
        class, in the order of ``classes_``.

    loss_weights : array-like of shape (3,), default=(0.4, 0.4, 0.2)
        Mix of cross-entropy, focal loss and soft Dice at the start. Scaled to sum to
        1. A term of weight 0 is left out for good.

    adaptation : {"performance", "lookup"} or callable, default="performance"
        How the mix follows the score. "performance": while the smoothed score does
        not rise, cross-entropy gives way to the other two; when it rises, the mix
        relaxes. "lookup": the published rule, three rows for an F1 below 0.7, below
        0.8 and above. A callable: see :mod:`skadaptive.adaptation`.

    adaptation_rate : float, default=0.1
        Step size of the adaptation in [0, 1]. 0 keeps the mix as it is.

    scoring : str or callable, default="f1"
        A scikit-learn scorer: a name or ``scorer(estimator, X, y)``. A name judges
        the rare class as the positive one; with more than two classes "f1" and its
        like stand for the macro average.

    class_weight : dict or "balanced", default=None
        Weights of the classes in every loss term. "balanced" is
        ``n_samples / (n_classes * n_samples_of_class)``.

    cv : int, float, splitter, iterable or None, default=5
        Who is held out from whom. An int: that many stratified, shuffled folds and as
        many committee members. A float: one member, this share of the rows held out.
        A scikit-learn splitter or an iterable of (train, test) index pairs: one
        member per split. None: one member, nothing held out, hence no adaptation and
        no early stopping. With fewer rare rows than folds there are fewer folds.

    optimizer : str or dict, default="adam"
        Name of a Keras optimizer, or its Keras configuration, such as
        ``{"class_name": "sgd", "config": {"momentum": 0.9}}``.

    learning_rate : float, default=0.003
        Learning rate of the optimizer.

    batch_size : int or "auto", default="auto"
        Rows per step and member. "auto" grows with the number of rows, from 64 to
        256, and lets an epoch pass over few rows as often as it takes to make 16
        steps.

    max_epochs : int, default=100
        Greatest number of epochs, passes over the training rows.

    early_stopping : bool, default=True
        Whether to stop when the score no longer rises. The weights of the best epoch
        are kept in either case.

    n_iter_no_change : int, default=10
        Epochs without a better smoothed score after which training stops.

    random_state : int, RandomState instance or None, default=None
        Seed of folds, initial weights, batches and dropout.

    verbose : int, default=0
        1 shows a progress bar with loss, score and mix.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.

    n_features_in_ : int
        Number of features seen in ``fit``.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if all are strings.

    history_ : dict of list
        One value per epoch: ``epoch`` (from 1), ``loss``, ``score`` (NaN if nothing is
        held out), ``weight_cross_entropy``, ``weight_focal``, ``weight_dice``.

    loss_weights_ : ndarray of shape (3,)
        Mix of the best epoch.

    n_iter_ : int
        Number of epochs run.

    best_epoch_ : int
        Epoch whose weights are kept, counted from 1.

    best_score_ : float
        Its score.

    oof_proba_ : ndarray of shape (n_samples, n_classes)
        Out-of-fold probabilities: for each row the mean logit of the members that
        held it out, as probabilities. NaN for rows that were never held out or have
        weight 0.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : Cross-entropy alone.
    imblearn.ensemble.BalancedBaggingClassifier : Resampling around any classifier.

    Notes
    -----
    The rare class is the one with the least weight in ``y``. Of two classes it is
    the second, ``classes_[1]``, unless the first is less than half as frequent;
    ``decision_function`` is positive for ``classes_[1]`` as everywhere in
    scikit-learn.

    Before they are mixed, the three loss terms are put on one scale: the one on
    which each pulls as hard as cross-entropy where training begins.

    Data that fit in one batch are trained in float64, others in float32.

    References
    ----------
    .. [1] T.-Y. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017.
    .. [2] F. Milletari et al., "V-Net: Fully Convolutional Neural Networks for
       Volumetric Medical Image Segmentation", 3DV 2016.

    Examples
    --------
    >>> from sklearn.model_selection import train_test_split
    >>> from skadaptive import AdaptiveHybridClassifier
    >>> from skadaptive.datasets import load_rare
    >>> X, y = load_rare("breast_cancer", return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(
    ...     X, y, stratify=y, random_state=0
    ... )
    >>> classifier = AdaptiveHybridClassifier(random_state=0).fit(X_train, y_train)
    >>> bool(classifier.score(X_test, y_test) > 0.9)
    True
    """

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like"],
        "activation": [StrOptions(set(inference.ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "gamma": [Interval(Real, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, 1, closed="both"), "array-like"],
        "loss_weights": ["array-like"],
        "adaptation": [StrOptions(set(adaptation.RULES)), callable],
        "adaptation_rate": [Interval(Real, 0, 1, closed="both")],
        "scoring": [StrOptions(set(get_scorer_names())), callable],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "cv": ["cv_object", Interval(Real, 0, 1, closed="neither")],
        "optimizer": [StrOptions(_OPTIMIZERS), dict],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_layer_sizes=(128, 64),
        activation="relu",
        dropout=0.0,
        gamma=2.0,
        alpha=0.75,
        loss_weights=(0.4, 0.4, 0.2),
        adaptation="performance",
        adaptation_rate=0.1,
        scoring="f1",
        class_weight=None,
        cv=5,
        optimizer="adam",
        learning_rate=0.003,
        batch_size="auto",
        max_epochs=100,
        early_stopping=True,
        n_iter_no_change=10,
        random_state=None,
        verbose=0,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.gamma = gamma
        self.alpha = alpha
        self.loss_weights = loss_weights
        self.adaptation = adaptation
        self.adaptation_rate = adaptation_rate
        self.scoring = scoring
        self.class_weight = class_weight
        self.cv = cv
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, groups=None):
        """Fit the committee.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Numeric features, on any scale.
        y : array-like of shape (n_samples,)
            Class labels, two or more.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a row of weight 0 counts as absent.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group are held out together.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For invalid parameters or data, and if training diverges.
        ImportError
            If TensorFlow is not installed. Nothing else needs it.
        """
        with _as_it_was_on_error(self):
            self._fit(X, y, sample_weight, groups)
        return self

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            With two classes ``classes_[1]`` where its probability is above 0.5;
            otherwise the most probable class.
        """
        logits = self._logits(X)
        return self.classes_[labels(logits)]

    def predict_proba(self, X):
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        return inference.probabilities(self._logits(X))

    def predict_log_proba(self, X):
        """Predict logarithms of class probabilities, finite for any logit.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return inference.log_probabilities(self._logits(X))

    def decision_function(self, X):
        """Mean logit of the committee.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            With two classes the logit of ``classes_[1]``, positive exactly where
            ``predict`` says so.
        """
        logits = self._logits(X)
        return logits[:, 0] if logits.shape[1] == 1 else logits

    @property
    def model_(self):
        """The committee as a new ``keras.Model``: features → probabilities.

        Built of Keras's own layers at each access, float32 but for the scaling. Keras's
        ``predict`` rounds its input to float32 before the model sees it; for features
        of more than seven digits, such as time stamps, call the model itself.
        """
        check_is_fitted(self)
        return _import("network").build_model(self._committee)

    def _logits(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        return self._committee.logits(X)

    def _fit(self, X, y, sample_weight, groups):
        hidden_layer_sizes, loss_weights = self._check_array_parameters()
        given_X, weighted = X, sample_weight is not None
        X, y, weight = self._check_data(X, y, sample_weight)
        n_classes = len(self.classes_)
        shares = np.bincount(y, weight, minlength=n_classes)
        rare = _rare_class(shares)
        # A single output is the logit of the rare class, so where that is the first of
        # two the order of the classes is turned round until training is over.
        turned = n_classes == 2 and rare == 0
        target = 1 - y if turned else y
        alpha = self._class_alpha(rare)

        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=3)
        folds = make_folds(self.cv, given_X, y, weight, groups, seeds[0])
        monitor = Monitor(
            folds,
            self._judge(given_X, y, rare, weight if weighted else None, folds),
            n_samples=len(X),
            loss_weights=loss_weights,
            rule=self.adaptation,
            rate=self.adaptation_rate,
            patience=self.n_iter_no_change if self.early_stopping else None,
        )
        scaler = RobustScaler.fit(X[weight > 0], weight[weight > 0])
        weight = weight * self._class_factors(shares)[y]
        weight /= weight[weight > 0].mean()
        kernels, biases = _import("training").fit_committee(
            scaler.transform,
            X,
            target,
            weight,
            folds,
            monitor,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=self.activation,
            dropout=self.dropout,
            gamma=self.gamma,
            alpha=alpha[::-1] if turned else alpha,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            max_epochs=self.max_epochs,
            seeds=seeds[1:],
            verbose=self.verbose,
        )
        if turned:
            kernels[-1], biases[-1] = -kernels[-1], -biases[-1]
        self._committee = inference.Committee(scaler, self.activation, kernels, biases)
        self._describe(monitor, X, folds)

    def _check_array_parameters(self):
        """hidden_layer_sizes as a tuple and loss_weights on the simplex."""
        sizes = np.asarray(self.hidden_layer_sizes)
        if (
            sizes.ndim != 1
            or sizes.size
            and (sizes.dtype.kind not in "iu" or (sizes < 1).any())
        ):
            raise ValueError(
                "hidden_layer_sizes must be a list of whole numbers of 1 or more, one "
                f"per hidden layer; got {self.hidden_layer_sizes!r}."
            )
        weights = np.asarray(self.loss_weights)
        if (
            weights.shape != (3,)
            or weights.dtype.kind not in "iuf"
            or not np.isfinite(weights).all()
            or (weights < 0).any()
            or not weights.any()
        ):
            raise ValueError(
                "loss_weights must be three non-negative numbers, for "
                f"{', '.join(adaptation.TERMS)}, not all 0; got {self.loss_weights!r}."
            )
        return tuple(int(size) for size in sizes), weights / weights.sum()

    def _check_data(self, X, y, sample_weight):
        """X and weights as arrays, y as class indices; sets ``classes_``."""
        X, y = validate_data(self, X, y, dtype=(np.float64, np.float32))
        check_classification_targets(y)
        weight = _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
        kept = weight > 0
        if not kept.any():
            raise ValueError("Sample weights are all zero: there is nothing to fit.")
        self.classes_ = np.unique(y[kept])
        if len(self.classes_) < 2:
            raise ValueError(
                "AdaptiveHybridClassifier needs at least two classes in y whose rows "
                f"have weight; got one class, {self.classes_[0]!r}."
            )
        # A class without any weight counts as absent, like its rows.
        indices = np.searchsorted(self.classes_, y)
        return X, np.minimum(indices, len(self.classes_) - 1), weight

    def _class_alpha(self, rare):
        """One focal weight per class, in the order of ``classes_``."""
        n_classes = len(self.classes_)
        if isinstance(self.alpha, Real):
            alpha = np.full(n_classes, 1.0 - self.alpha)
            alpha[rare] = self.alpha
            return alpha
        alpha = np.asarray(self.alpha)
        if (
            alpha.shape != (n_classes,)
            or alpha.dtype.kind not in "iuf"
            or not np.isfinite(alpha).all()
            or (alpha < 0).any()
            or not alpha.any()
        ):
            raise ValueError(
                "alpha must be a number in [0, 1] or one non-negative weight for each "
                f"of the {n_classes} classes, not all 0; got {self.alpha!r}."
            )
        return alpha.astype(float)

    def _class_factors(self, shares):
        """Class weights as factors, in the order of ``classes_``."""
        if self.class_weight is None:
            return np.ones(len(shares))
        if self.class_weight == "balanced":
            return shares.sum() / (len(shares) * shares)
        factors = compute_class_weight(
            dict(self.class_weight), classes=self.classes_, y=self.classes_
        )
        if not (np.isfinite(factors).all() and (factors > 0).all()):
            raise ValueError(
                "class_weight must give every class a positive weight; got "
                f"{self.class_weight!r}."
            )
        return factors

    def _judge(self, X, y, rare, sample_weight, folds):
        """What scores the pooled out-of-fold logits, None if there is nothing to."""
        held_out = np.unique(np.concatenate([test for _, test in folds]))
        if not held_out.size:
            return None
        if len(np.unique(y[held_out])) < 2:
            warnings.warn(
                "The rows held out by cv all belong to one class and cannot be scored: "
                "no adaptation, no early stopping; training runs for max_epochs. A "
                "stratified splitter avoids this.",
                UserWarning,
                stacklevel=5,
            )
            return None
        return Judge(
            self.scoring,
            _safe_indexing(X, held_out) if callable(self.scoring) else None,
            y[held_out],
            self.classes_,
            rare,
            None if sample_weight is None else sample_weight[held_out],
        )

    def _describe(self, monitor, X, folds):
        """Set the fitted attributes that tell how training went."""
        self.history_ = monitor.history
        self.n_iter_ = len(monitor.history["epoch"])
        self.best_epoch_ = monitor.best_epoch
        best = monitor.best_epoch - 1
        self.best_score_ = monitor.history["score"][best]
        self.loss_weights_ = np.array(
            [monitor.history[f"weight_{term}"][best] for term in adaptation.TERMS]
        )
        logits = [
            self._committee.logits(X[test], member)
            for member, (_, test) in enumerate(folds)
        ]
        self.oof_proba_ = inference.probabilities(pool(len(X), folds, logits))


def _rare_class(shares):
    """Index of the class with the least weight.

    Of two classes the second, as everywhere in scikit-learn, unless the first is less
    than half as frequent: resampling leaves the two about equal, and which of them is
    then a little rarer means nothing.
    """
    if len(shares) == 2:
        return 0 if shares[0] < shares[1] / 2 else 1
    return int(np.argmin(shares))


def _import(module):
    """A module of this package that needs Keras and TensorFlow."""
    try:
        return importlib.import_module(f".{module}", __package__)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] in ("tensorflow", "keras"):
            raise ImportError(
                "AdaptiveHybridClassifier needs TensorFlow to train: "
                "pip install 'skadaptive[tensorflow]', or 'skadaptive[tensorflow-cpu]'."
            ) from error
        raise


@contextmanager
def _as_it_was_on_error(estimator):
    """Give the estimator its attributes back if fitting fails or is interrupted."""
    before = estimator.__dict__.copy()
    try:
        yield
    except BaseException:
        estimator.__dict__.clear()
        estimator.__dict__.update(before)
        raise
