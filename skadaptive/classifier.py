"""The estimator: parameters, input checks, the order of the steps."""

import dataclasses
import importlib
import warnings
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
from scipy.special import logit
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.metrics import get_scorer_names
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from . import adaptation, inference
from .decision import CALIBRATIONS, tune_threshold
from .folds import make_folds, n_members, pool
from .monitor import Monitor
from .parameters import (
    check_alpha,
    check_class_weight,
    check_hidden_layer_sizes,
    check_loss_weights,
    check_optimizer,
    rare_class,
)
from .preprocessing import RobustScaler
from .resampling import resample
from .scoring import Judge, labels
from .thresholds import OF_SCORER, f1

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
    hidden_layer_sizes : array-like of int, default=(128, 128, 128)
        Units of each hidden layer. Empty: a linear model.

    activation : {"relu", "selu", "elu", "gelu", "silu", "tanh"}, default="selu"
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
        Weights of the classes in every loss term, and as costs of errors in the
        decision: in the criterion that tunes the threshold, and by which probabilities
        are multiplied where the most probable class is taken. "balanced" is
        ``n_samples / (n_classes * n_samples_of_class)``. Calibrated probabilities
        remain those of the natural shares.

    sampler : imbalanced-learn sampler, default=None
        Resamples the training rows of each member, and nothing else: rows held out
        keep their natural shares and never lend themselves to synthetic ones. With an
        under-sampler each member has its own balanced draw, which is balanced bagging
        in one network. Cloned, with a seed that follows ``random_state``.

    cv : int, float, splitter, iterable or None, default=5
        Who is held out from whom. An int: that many stratified, shuffled folds and as
        many committee members. A float: one member, this share of the rows held out.
        A scikit-learn splitter or an iterable of (train, test) index pairs: one
        member per split. None: one member, nothing held out, hence no adaptation and
        no early stopping. With fewer rare rows than folds there are fewer folds.

    optimizer : str or dict, default="adam"
        Name of a Keras optimizer, or its Keras configuration, such as
        ``{"class_name": "sgd", "config": {"momentum": 0.9}}``.

    learning_rate : float, default=0.04
        Learning rate at the crests of its schedule, four cosine cycles over
        ``max_epochs``, each twice as long as the one before. It is shared out among
        the weights by the width of their layer, so that the same value suits any.

    batch_size : int or "auto", default="auto"
        Rows per step and member. "auto" grows with the number of rows, from 64 to
        256, and lets an epoch pass over few rows as often as it takes to make 4
        steps.

    max_epochs : int, default=48
        Greatest number of epochs. An epoch is one pass over the training rows, or
        several as said under ``batch_size``.

    early_stopping : bool, default=True
        Whether to stop when the score no longer rises. The weights of the best epoch
        are kept in either case.

    n_iter_no_change : int, default=24
        Epochs without a rise of the smoothed score after which training stops; equal
        scores may still change which epoch is kept. Half of
        ``max_epochs`` leaves the last cycle of the learning rate its chance.

    threshold : "tune", float, callable or None, default="tune"
        Probability of the rare class above which a row is predicted rare, with two
        classes. "tune": the one that is best out of fold for ``scoring``, or for F1 if
        ``scoring`` does not depend on it; of those within noise of the best, the one
        nearest 0.5. A float in (0, 1) fixes it. A callable is a criterion of
        :mod:`skadaptive.thresholds`. None: the most probable class, 0.5, as always
        with more than two.

    calibration : {"sigmoid", "isotonic"} or None, default="sigmoid"
        How probabilities are put right after focal loss, Dice, weights and resampling,
        on out-of-fold logits at the natural shares. Increasing, so that the ranking
        stays; "isotonic" needs some hundred rare rows.

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

    threshold_ : float
        Probability of the rare class above which a row is predicted rare. Not used
        with more than two classes.

    oof_proba_ : ndarray of shape (n_samples, n_classes)
        Out-of-fold probabilities: for each row the mean logit of the members that
        held it out, calibrated. NaN for rows that were never held out or have weight
        0, and for all rows where validation data are given.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : Cross-entropy alone.
    imblearn.ensemble.BalancedBaggingClassifier : Resampling around any classifier.

    Notes
    -----
    The rare class is the one with the least weight in ``y``; of two classes it is the
    second, ``classes_[1]``, unless the first has less than half of its weight.
    ``decision_function`` is positive for ``classes_[1]`` as everywhere in
    scikit-learn.

    Before they are mixed, the three loss terms are put on one scale: the one on
    which each pulls as hard as cross-entropy where training begins.

    Out-of-fold predictions choose the epoch, the calibration and the threshold, and
    the scale of the features is that of all rows: ``best_score_`` and ``oof_proba_``
    are a little better than what new rows will show. Compare models on rows that
    ``fit`` has not seen.

    Small data that fit in one batch are trained in float64, others in float32.

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
        "gamma": [Interval(Real, 0, 100, closed="both")],
        "alpha": [Interval(Real, 0, 1, closed="both"), "array-like"],
        "loss_weights": ["array-like"],
        "adaptation": [StrOptions(set(adaptation.RULES)), callable],
        "adaptation_rate": [Interval(Real, 0, 1, closed="both")],
        "scoring": [StrOptions(set(get_scorer_names())), callable],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "sampler": [HasMethods("fit_resample"), None],
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
        "threshold": [
            StrOptions({"tune"}),
            Interval(Real, 0, 1, closed="neither"),
            callable,
            None,
        ],
        "calibration": [StrOptions(set(CALIBRATIONS)), None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_layer_sizes=(128, 128, 128),
        activation="selu",
        dropout=0.0,
        gamma=2.0,
        alpha=0.75,
        loss_weights=(0.4, 0.4, 0.2),
        adaptation="performance",
        adaptation_rate=0.1,
        scoring="f1",
        class_weight=None,
        sampler=None,
        cv=5,
        optimizer="adam",
        learning_rate=0.04,
        batch_size="auto",
        max_epochs=48,
        early_stopping=True,
        n_iter_no_change=24,
        threshold="tune",
        calibration="sigmoid",
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
        self.sampler = sampler
        self.cv = cv
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.threshold = threshold
        self.calibration = calibration
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        groups=None,
    ):
        """Fit the committee.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Numeric features, on any scale.
        y : array-like of shape (n_samples,)
            Class labels, two or more.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a row of weight 0 counts as absent.
        X_val : array-like or DataFrame of shape (n_val, n_features), default=None
            Validation rows. Given these, every member trains on all of X, with its own
            seed, and they take the part of the rows held out. ``cv`` then only says
            how many members there are.
        y_val : array-like of shape (n_val,), default=None
            Their labels.
        sample_weight_val : array-like of shape (n_val,), default=None
            Their weights.
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

        Warns
        -----
        UserWarning
            If nothing is held out although the threshold or the calibration needs it.
        """
        with _as_it_was_on_error(self):
            self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), groups)
        return self

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            With two classes the rare one where its probability is above
            ``threshold_``; otherwise the most probable class.
        """
        decision = self.decision_function(X)
        return self.classes_[labels(decision.reshape(len(decision), -1))]

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
        """How far a row is from the decision, in log-odds.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            With two classes the calibrated logit of ``classes_[1]`` less that of the
            threshold, positive exactly where ``predict`` says ``classes_[1]``.
            Otherwise the calibrated logits, plus the logarithms of the class weights.
        """
        decision = self._logits(X) + self._decision_offset
        return decision[:, 0] if decision.shape[1] == 1 else decision

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

    def _fit(self, X, y, sample_weight, validation, groups):
        hidden_layer_sizes = check_hidden_layer_sizes(self.hidden_layer_sizes)
        check_optimizer(self.optimizer)
        loss_weights = check_loss_weights(self.loss_weights)
        given_X = X
        X, y, weight = self._check_data(X, y, sample_weight)
        n_rows, n_classes = len(X), len(self.classes_)
        shares = np.bincount(y, weight, minlength=n_classes)
        rare = rare_class(shares)
        alpha = check_alpha(self.alpha, n_classes, rare)
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=4)

        if validation[0] is None:
            _check_no_labels_alone(validation)
            folds = make_folds(self.cv, given_X, y, weight, groups, seeds[0])
            weighted = sample_weight is not None
        else:
            own = self._check_validation_data(*validation)
            X, y, weight = (
                np.concatenate(pair) for pair in zip((X, y, weight), own, strict=True)
            )
            train = np.flatnonzero(weight[:n_rows] > 0)
            test = n_rows + np.flatnonzero(own[2] > 0)
            folds = [(train, test)] * n_members(self.cv, given_X, y[:n_rows], groups)
            weighted = validation[2] is not None
        # What judges and calibrates: rows held out, at their natural weights.
        held_out = np.unique(np.concatenate([test for _, test in folds]))
        natural = weight[held_out]
        judge = self._judge(
            given_X if validation[0] is None else validation[0],
            held_out if validation[0] is None else held_out - n_rows,
            y[held_out],
            rare,
            natural if weighted else None,
        )
        if self.sampler is not None:
            X, y, weight, folds = self._resample(
                given_X, X, y, weight, folds, seeds[3], sample_weight is not None
            )
            trained = np.concatenate([train for train, _ in folds])
            shares = np.bincount(y[trained], weight[trained], minlength=n_classes)
        monitor = Monitor(
            folds,
            judge,
            n_samples=len(X),
            loss_weights=loss_weights,
            rule=self.adaptation,
            rate=self.adaptation_rate,
            patience=self.n_iter_no_change if self.early_stopping else None,
        )
        kept = np.flatnonzero(weight[:n_rows] > 0)
        scaler = RobustScaler.fit(X[kept], weight[kept])
        factors = check_class_weight(self.class_weight, self.classes_, shares)
        # A single output is the logit of the rare class, so where that is the first of
        # two the classes are turned round until training is over.
        turned = n_classes == 2 and rare == 0
        kernels, biases = _import("training").fit_committee(
            scaler.transform,
            X,
            1 - y if turned else y,
            _with_mean_one(weight * factors[y]),
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
            seeds=seeds[1:3],
            verbose=self.verbose,
        )
        if turned:
            kernels[-1], biases[-1] = -kernels[-1], -biases[-1]
        committee = inference.Committee(scaler, self.activation, kernels, biases)
        logits = np.full((len(X), committee.n_outputs), np.nan)
        if held_out.size:
            logits = pool(
                len(X),
                folds,
                [committee.logits(X[test], m) for m, (_, test) in enumerate(folds)],
            )
        calibration = self._calibrate(logits[held_out], y[held_out], natural, judge)
        self._committee = dataclasses.replace(committee, calibration=calibration)
        if calibration is not None:
            logits = calibration(logits)
        self._decide(logits[held_out], y[held_out], natural, factors, rare, judge)
        self.oof_proba_ = inference.probabilities(logits[:n_rows])
        self._describe(monitor)

    def _calibrate(self, logits, y, weight, judge):
        """Calibration of the out-of-fold logits, None if there is none."""
        if self.calibration is None or judge is None:
            return None
        return CALIBRATIONS[self.calibration].fit(logits, y, weight)

    def _decide(self, logits, y, weight, factors, rare, judge):
        """Set ``threshold_``, from calibrated out-of-fold logits if it is tuned."""
        binary = len(self.classes_) == 2
        tuned = callable(self.threshold) or self.threshold == "tune"
        # Class weights are costs of errors: where they are equal, the most probable
        # class is the one to choose.
        self.threshold_ = 1 - factors[rare] / factors.sum()
        if isinstance(self.threshold, Real):
            self.threshold_ = float(self.threshold)
        elif tuned and binary and judge is not None:
            criterion = self.threshold
            if not callable(criterion):
                named = isinstance(self.scoring, str)
                criterion = OF_SCORER.get(self.scoring, f1) if named else f1
            self.threshold_ = tune_threshold(
                criterion,
                (y == rare).astype(int),
                inference.probabilities(logits)[:, rare],
                weight * factors[y],
                neutral=self.threshold_,
            )
        # What is added to the calibrated logits before the greatest wins.
        if binary:
            sign = -1.0 if rare == 0 else 1.0
            self._decision_offset = -sign * logit(self.threshold_)
        else:
            self._decision_offset = np.log(factors)
        if self.cv is None and judge is None and (tuned or self.calibration):
            warnings.warn(
                "Nothing is held out that could tune the threshold or calibrate: "
                f"the threshold is {self.threshold_:g} and the probabilities are the "
                "network's own. Hold rows out (cv, X_val), or say threshold=None, "
                "calibration=None.",
                UserWarning,
                stacklevel=4,
            )

    def _resample(self, given_X, X, y, weight, folds, seed, weighted):
        """The table with the rows that the sampler made, and who trains on which."""
        made, folds = resample(self.sampler, given_X, X, y, folds, seed)
        if made and weighted:
            raise ValueError(
                f"sample_weight says nothing about the rows that {self.sampler!r} "
                "makes. Leave one of the two out, use class_weight, or take a sampler "
                "that picks rows: RandomUnderSampler, RandomOverSampler."
            )
        if made:
            rows, classes = zip(*made, strict=True)
            X, y = np.concatenate([X, *rows]), np.concatenate([y, *classes])
            weight = np.r_[weight, np.ones(len(y) - len(weight))]
        return X, y, weight, folds

    def _check_validation_data(self, X, y, sample_weight):
        """X_val, y_val and its weights, as arrays and class indices."""
        if y is None:
            raise ValueError("X_val needs y_val, its labels.")
        X = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        y = column_or_1d(y, warn=True)
        check_consistent_length(X, y)
        unseen = np.setdiff1d(y, self.classes_)
        if unseen.size:
            raise ValueError(
                f"y_val holds classes that y does not: {unseen.tolist()}. The classes "
                f"are {self.classes_.tolist()}."
            )
        weight = _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
        return X, np.searchsorted(self.classes_, y), weight

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
        weight = weight / weight.max()  # the unit means nothing; squares may overflow
        self.classes_ = np.unique(y[kept])
        if len(self.classes_) < 2:
            raise ValueError(
                "AdaptiveHybridClassifier needs at least two classes in y whose rows "
                f"have weight; got one class, {self.classes_[0]!r}."
            )
        # A class without any weight counts as absent, like its rows.
        indices = np.searchsorted(self.classes_, y)
        return X, np.minimum(indices, len(self.classes_) - 1), weight

    def _judge(self, X, rows, y, rare, sample_weight):
        """What scores the pooled out-of-fold logits, None if there is nothing to."""
        if not rows.size:
            return None
        if len(np.unique(y)) < 2:
            warnings.warn(
                "The rows held out all belong to one class and cannot be scored: no "
                "adaptation, no early stopping; training runs for max_epochs. A "
                "stratified splitter avoids this.",
                UserWarning,
                stacklevel=5,
            )
            return None
        return Judge(
            self.scoring,
            _safe_indexing(X, rows) if callable(self.scoring) else None,
            y,
            self.classes_,
            rare,
            sample_weight,
            tuned=callable(self.threshold) or self.threshold == "tune",
        )

    def _describe(self, monitor):
        """Set the fitted attributes that tell how training went."""
        self.history_ = monitor.history
        self.n_iter_ = len(monitor.history["epoch"])
        self.best_epoch_ = monitor.best_epoch
        best = monitor.best_epoch - 1
        self.best_score_ = monitor.history["score"][best]
        self.loss_weights_ = np.array(
            [monitor.history[f"weight_{term}"][best] for term in adaptation.TERMS]
        )


def _with_mean_one(weight):
    return weight / weight[weight > 0].mean()


def _check_no_labels_alone(validation):
    if any(part is not None for part in validation):
        raise ValueError("y_val and sample_weight_val need X_val.")


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
