"""The order of the steps of ``fit`` and ``partial_fit``.

Both say who trains and who is held out, train, and decide on the pooled out-of-fold
logits; they differ in where the rows held out come from and in what is kept of earlier
calls. :class:`skadaptive.AdaptiveHybridClassifier` adds the public surface.
"""

import dataclasses
import importlib
from numbers import Real

import numpy as np
from scipy.special import logit
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_random_state, check_X_y
from sklearn.utils.multiclass import (
    check_classification_targets,
)
from sklearn.utils.validation import (
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from . import adaptation
from ._committee import inference
from ._committee.calibration import CALIBRATIONS
from ._committee.folds import NothingHeldOut, chunk_folds, make_folds, n_members, pool
from ._committee.monitor import Monitor
from ._committee.resampling import resample
from ._committee.scoring import OutOfFoldScorer
from ._committee.state import Progress, remember, shortened
from ._committee.threshold_tuning import tune_threshold
from ._features.categories import make_encoder
from ._features.piecewise import PiecewiseLinearEncoding
from ._features.scaling import RobustScaler
from ._parameters import (
    auto_epochs,
    auto_patience,
    check_alpha,
    check_class_weight,
    check_hidden_layer_sizes,
    check_loss_weights,
    check_optimizer,
    rare_class,
)
from ._sklearn_compat import (
    check_partial_fit_first_call,
    check_sample_weight,
    safe_indexing,
)
from ._warnings import warn
from .thresholds import OF_SCORER, f1

# A class is rare below this share.
_RARE = 0.45

#: What features may be: numbers, or NaN where missing.
FEATURES = {"dtype": (np.float64, np.float32), "ensure_all_finite": "allow-nan"}


@dataclasses.dataclass
class _Rows:
    """What a committee trains on and is judged by.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features)
        The rows given, then validation rows, then those that a sampler made.
    y : ndarray of shape (n_rows,)
        Class indices.
    weight : ndarray of shape (n_rows,)
        Sample weights.
    folds : list of (train, test)
        One per member.
    """

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    folds: list

    def trained_on(self, weight, n_classes):
        """Weight of each class in what members train on, summed over them."""
        return sum(
            np.bincount(self.y[train], weight[train], n_classes)
            for train, _ in self.folds
        )

    @property
    def held_out(self):
        """Numbers of the rows held out."""
        return np.unique(np.concatenate([test for _, test in self.folds]))


class BaseCommittee(BaseEstimator):
    """Training and deciding, with the parameters of the classifier."""

    def _fit(self, X, y, sample_weight, validation, groups):
        goes_on = self.warm_start and hasattr(self, "_state")
        given_X, weighted = X, sample_weight is not None
        X, y, weight = self._check_data(X, y, sample_weight, reset=not goes_on)
        # The unit means nothing, and squares may overflow.
        unit = weight.max()
        unit *= (weight[weight > 0] / unit).mean()
        weight = weight / unit
        y = self._check_classes(y, weight, goes_on)
        kept = np.flatnonzero(weight > 0)
        n_rows, n_classes = len(X), len(self.classes_)
        totals = np.bincount(y, weight, n_classes)
        start = self._state if goes_on else self._begin(totals)
        if goes_on:
            scaler, encoding = self._committee.scaler, self._same_encoding()
        else:
            scaler, encoding = self._learn_scales(*_with_weight(X, weight))
        start = dataclasses.replace(
            start, unit=unit, totals=totals, recent=[], n_seen=0
        )
        cv = self._cv(goes_on)
        if validation[0] is None:
            if any(part is not None for part in validation):
                raise ValueError("y_val and sample_weight_val need X_val.")
            try:
                folds = make_folds(cv, given_X, y, weight, groups, start.seeds[0])
            except NothingHeldOut as reason:
                warn(
                    f"{reason}: nothing is held out, so there is no score to adapt to, "
                    "no early stopping, no tuned threshold and no calibration; training "
                    "runs for max_epochs."
                )
                folds = [(kept, kept[:0])]
            rows = _Rows(X, y, weight, folds)
            judge = self._judge(rows, given_X, start.rare, weighted)
        else:
            own = self._check_validation_data(*validation)
            pairs = zip((X, y, weight), own, strict=True)
            split = kept, n_rows + np.flatnonzero(own[2] > 0)
            folds = [split] * n_members(cv, given_X, y, weight, groups)
            rows = _Rows(*map(np.concatenate, pairs), folds)
            X_val, _, weight_val = validation
            judge = self._judge(
                rows, X_val, start.rare, weight_val is not None, offset=n_rows
            )
        if judge is None and rows.held_out.size:
            warn(
                "The rows held out all belong to one class and cannot be scored: no "
                "adaptation, no early stopping; training runs for max_epochs. A "
                "stratified splitter avoids this.",
            )
        if self.sampler is not None:
            rows = self._resample(rows, given_X, start, weighted)
            totals = rows.trained_on(rows.weight, n_classes)
        factors = check_class_weight(self.class_weight, self.classes_, totals)
        weight_in_loss = rows.weight * factors[rows.y]
        weight_in_loss /= weight_in_loss[weight_in_loss > 0].mean()
        shares = rows.trained_on(weight_in_loss, n_classes)
        scales = scaler, encoding
        logits = self._train(rows, weight_in_loss, shares, scales, judge, start)
        self._decide(factors, judge is not None)
        self.oof_proba_ = self._calibrated(logits[:n_rows])
        if self.cv is None and judge is None:
            self._warn_of_nothing_held_out()

    def _partial_fit(self, X, y, classes, sample_weight):
        first = check_partial_fit_first_call(self, classes)
        if len(self.classes_) < 2:
            raise ValueError(f"classes must name at least two classes; got {classes}.")
        given_X, weighted = X, sample_weight is not None
        X, y, weight = self._check_data(X, y, sample_weight, reset=first)
        kept = np.flatnonzero(weight > 0)
        unit = weight[kept].mean() if first else self._state.unit
        weight = weight / unit
        # A row without weight counts as absent, whatever its class.
        y = np.where(weight > 0, y, self.classes_[0])
        y = self._class_indices(y, "y")
        n_rows, n_classes = len(X), len(self.classes_)
        totals = np.bincount(y, weight, n_classes)
        if first:
            scaler, encoding = self._learn_scales(*_with_weight(X, weight))
            start = self._begin(totals)
        else:
            start = self._state
            totals = totals + start.totals
            share = weight.sum() / totals.sum()
            scaler = RobustScaler.fit(*_with_weight(X, weight), scores=False)
            scaler = self._committee.scaler.refined(scaler, share)
            encoding = self._same_encoding()
        start = dataclasses.replace(start, unit=unit, totals=totals)
        rows = _Rows(X, y, weight, chunk_folds(self._cv(not first), X, weight))
        judge = None
        if np.unique(y[rows.held_out]).size == n_classes:
            judge = self._judge(rows, given_X, start.rare, weighted)
        if self.sampler is not None:
            rows = self._resample(rows, given_X, start, weighted)
            totals = rows.trained_on(rows.weight, n_classes)
        # One row more of each class: some may not have come yet.
        totals = totals + 1.0
        factors = check_class_weight(self.class_weight, self.classes_, totals)
        logits = self._train(
            rows,
            # With a mean of 1 over all chunks.
            rows.weight * factors[rows.y] * (totals.sum() / (totals @ factors)),
            totals * factors,
            (scaler, encoding),
            judge,
            start,
            stream=True,
        )
        known = np.concatenate([call[1] for call in self._state.recent])
        self._decide(factors, np.unique(known).size == n_classes)
        self.oof_proba_ = self._calibrated(logits[:n_rows])
        if first and self.cv is None:
            self._warn_of_nothing_held_out()

    def _cv(self, goes_on):
        """What ``cv`` stands for; where training goes on "auto" is what it was."""
        if goes_on and isinstance(self.cv, str) and self._committee.n_members > 1:
            return self._committee.n_members
        return self.cv

    def _begin(self, totals):
        """Progress before training."""
        return Progress(
            state=None,
            initial_weights=None,
            loss_weights=None,
            seeds=check_random_state(self.random_state).randint(2**31 - 1, size=4),
            rare=rare_class(totals),
            unit=1.0,
            totals=totals,
            recent=[],
            n_seen=0,
        )

    def _check_data(self, X, y, sample_weight, reset):
        """X and weights as arrays, y as it is."""
        if y is None:
            validate_data(self, X, y)  # scikit-learn's error
        X = self._as_numbers(X, reset)
        X, y = check_X_y(X, y, **FEATURES)
        check_classification_targets(y)
        weight = check_sample_weight(sample_weight, X)
        if not weight.any():
            raise ValueError("Sample weights are all zero: there is nothing to fit.")
        return X, y, weight

    def _as_numbers(self, X, reset=False):
        """X as numbers, categories encoded; checks its columns, or learns them."""
        if reset:
            self.feature_encoder_ = make_encoder(self.categorical_features, X)
        if self.feature_encoder_ is None:
            return validate_data(self, X, reset=reset, **FEATURES)
        validate_data(self, X, reset=reset, skip_check_array=True)
        return check_array(
            self.feature_encoder_.transform(X), estimator=self, **FEATURES
        )

    def _check_classes(self, y, weight, goes_on):
        """y as class indices; sets ``classes_``."""
        classes = np.unique(y[weight > 0])
        if goes_on and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"Training goes on with the classes of the last fit, {self.classes_}; "
                f"got {classes}. Fit anew with warm_start=False."
            )
        self.classes_ = classes
        if len(classes) < 2:
            raise ValueError(
                "AdaptiveHybridClassifier needs at least two classes in y whose rows "
                f"have weight; got one class, {classes[0]!r}."
            )
        # A class without any weight counts as absent, like its rows.
        return np.minimum(np.searchsorted(classes, y), len(classes) - 1)

    def _class_indices(self, y, name):
        """Labels as indices into ``classes_``, which has to hold them."""
        unseen = np.setdiff1d(y, self.classes_)
        if unseen.size:
            raise ValueError(
                f"{name} holds classes that are not known: {unseen.tolist()}. The "
                f"classes are {self.classes_.tolist()}."
            )
        return np.searchsorted(self.classes_, y)

    def _check_validation_data(self, X, y, sample_weight):
        """X_val, y_val and its weights, as arrays and class indices."""
        if y is None:
            raise ValueError("X_val needs y_val, its labels.")
        X = self._as_numbers(X)
        y = column_or_1d(y, warn=True)
        check_consistent_length(X, y)
        y = self._class_indices(y, "y_val")
        weight = check_sample_weight(sample_weight, X)
        return X, y, weight / weight[weight > 0].mean()

    def _judge(self, rows, X, rare, weighted, offset=0):
        """What scores the logits of the rows held out; None if it cannot be done.

        Held-out row ``offset + i`` is row i of X as it was given.
        """
        held_out = rows.held_out
        if np.unique(rows.y[held_out]).size < 2:
            return None
        return OutOfFoldScorer(
            self.scoring,
            safe_indexing(X, held_out - offset) if callable(self.scoring) else None,
            rows.y[held_out],
            self.classes_,
            rare,
            rows.weight[held_out] if weighted else None,
            tuned=self._tunes_threshold,
        )

    def _resample(self, rows, X, start, weighted):
        """The rows with those that the sampler made, and who trains on which."""
        n_calls = len(self.history_["epoch"]) if start.state else 0
        seed = (int(start.seeds[3]) + n_calls) % 2**31
        made, folds = resample(
            self.sampler,
            X,
            rows.X,
            rows.y,
            self.classes_,
            rows.folds,
            seed,
            self._as_numbers,
        )
        if made and weighted:
            raise ValueError(
                f"sample_weight says nothing about the rows that {self.sampler!r} "
                "makes. Leave one of the two out, use class_weight, or take a sampler "
                "that picks rows: RandomUnderSampler, RandomOverSampler."
            )
        if not made:
            return dataclasses.replace(rows, folds=folds)
        X, y = (np.concatenate(parts) for parts in zip((rows.X, rows.y), *made))
        weight = np.r_[rows.weight, np.ones(len(y) - len(rows.weight))]
        return _Rows(X, y, weight, folds)

    def _learn_scales(self, X, weight):
        """Scaling of the features and their encoding."""
        scaler = RobustScaler.fit(X, weight)
        return scaler, PiecewiseLinearEncoding.fit(scaler, X, weight, self.n_bins)

    def _same_encoding(self):
        """The encoding of the network to go on with; refuses another ``n_bins``."""
        encoding = self._committee.encoding
        found = encoding.n_bins or None
        if self.n_bins != found and (self.n_bins != "auto" or found is None):
            raise ValueError(
                f"Training cannot go on with another network: n_bins was {found} and "
                f"is {self.n_bins!r}. Set that back, or fit anew with warm_start=False."
            )
        return encoding

    def _train(self, rows, weight, shares, scales, judge, start, stream=False):
        """Train and remember; returns the pooled out-of-fold logits, uncalibrated."""
        goes_on = start.state is not None
        initial = check_loss_weights(self.loss_weights)
        check_optimizer(self.optimizer)
        n_classes, rare = len(self.classes_), start.rare
        alpha = check_alpha(self.alpha, n_classes, rare)
        same_mix = goes_on and np.array_equal(initial, start.initial_weights)
        n_epochs, patience = self.max_epochs, self.n_iter_no_change
        if stream:
            n_epochs = 1
        elif n_epochs == "auto":
            n_epochs = auto_epochs(max(len(train) for train, _ in rows.folds))
        if patience == "auto":
            patience = auto_patience(n_epochs)
        monitor = Monitor(
            rows.folds,
            judge,
            n_samples=len(rows.X),
            loss_weights=initial,
            rule=self.adaptation,
            rate=self.adaptation_rate,
            patience=patience if self.early_stopping else None,
            history=self.history_ if goes_on else None,
            mix=start.loss_weights if same_mix else None,
            best_epoch=self.best_epoch_ if goes_on else 0,
        )
        # A single output is the logit of the rare class, so where that is the first of
        # two the classes are turned round until training is over.
        turned = n_classes == 2 and rare == 0
        kernels, biases, state = import_training_module("loop").fit_committee(
            *scales,
            rows.X,
            1 - rows.y if turned else rows.y,
            weight,
            rows.folds,
            monitor,
            shares=shares[::-1] if turned else shares,
            hidden_layer_sizes=check_hidden_layer_sizes(self.hidden_layer_sizes),
            activation=self.activation,
            dropout=self.dropout,
            gamma=self.gamma,
            alpha=alpha[::-1] if turned else alpha,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            max_epochs=n_epochs,
            seeds=start.seeds[1:3],
            start=start.state,
            stream=stream,
            verbose=self.verbose,
        )
        if turned:
            kernels[-1], biases[-1] = -kernels[-1], -biases[-1]
        scaler, encoding = scales
        committee = inference.Committee(
            scaler, self.activation, encoding, kernels, biases, len(rows.folds)
        )
        self._committee = committee
        logits = np.full((len(rows.X), committee.n_outputs), np.nan)
        held_out = rows.held_out
        if held_out.size:
            tests = [
                committee.logits(rows.X[t], m) for m, (_, t) in enumerate(rows.folds)
            ]
            logits = pool(len(rows.X), rows.folds, tests)
        self._state = dataclasses.replace(
            start,
            state=state,
            initial_weights=initial,
            loss_weights=monitor.loss_weights,
            recent=remember(
                start.recent,
                start.n_seen,
                logits[held_out],
                rows.y[held_out],
                rows.weight[held_out],
            ),
            n_seen=start.n_seen + len(held_out),
        )
        self._describe(monitor)
        return logits

    def _describe(self, monitor):
        """Set the fitted attributes that tell how training went."""
        self.history_ = monitor.history
        self.n_iter_ = len(monitor.history["epoch"])
        self.best_epoch_ = monitor.best_epoch
        best = monitor.best_epoch - 1
        self.best_score_ = monitor.best_score
        self.loss_weights_ = np.array(
            [monitor.history[f"weight_{term}"][best] for term in adaptation.TERMS]
        )

    def _decide(self, factors, judged):
        """Calibrate and set ``threshold_``, from the out-of-fold logits remembered."""
        rare = self._state.rare
        *parts, _ = zip(*self._state.recent, strict=True)
        logits, y, weight = map(np.concatenate, parts)
        if judged and self.calibration is not None:
            calibration = CALIBRATIONS[self.calibration].fit(logits, y, weight)
            self._committee = dataclasses.replace(
                self._committee, calibration=calibration
            )
        binary = len(self.classes_) == 2
        # Class weights are costs of errors: where they are equal, the most probable
        # class is the one to choose.
        self.threshold_ = 1 - factors[rare] / factors.sum()
        if isinstance(self.threshold, Real):
            self.threshold_ = float(self.threshold)
        elif binary and judged and self._has_criterion(y == rare, weight):
            self.threshold_ = tune_threshold(
                self._criterion,
                (y == rare).astype(int),
                self._calibrated(logits)[:, rare],
                weight,
                neutral=self.threshold_,
                class_weight=(factors[1 - rare], factors[rare]),
                calibrated=self.calibration is not None,
            )
        # What is added to the logits before the greatest wins.
        if binary:
            sign = -1.0 if rare == 0 else 1.0
            self._decision_offset = -sign * logit(self.threshold_)
        else:
            self._decision_offset = np.log(factors)
        recent = shortened(self._state.recent)
        self._state = dataclasses.replace(self._state, recent=recent)

    def _has_criterion(self, rare, weight):
        """Whether a threshold is to be tuned, where these rows are of the rare class.

        Where both classes have half the weight, F1 would be that of the one which
        happens to be named, and what it gains by a row or two is chance.
        """
        if self.threshold == "tune":
            return np.average(rare, weights=weight) < _RARE
        return callable(self.threshold)

    @property
    def _criterion(self):
        if callable(self.threshold):
            return self.threshold
        return OF_SCORER.get(self.scoring, f1) if isinstance(self.scoring, str) else f1

    def _calibrated(self, logits):
        """Calibrated probabilities from the committee's logits."""
        calibration = self._committee.calibration
        if calibration is not None:
            logits = calibration(logits)
        return inference.probabilities(logits)

    @property
    def _tunes_threshold(self):
        return callable(self.threshold) or self.threshold == "tune"

    def _warn_of_nothing_held_out(self):
        if self._tunes_threshold or self.calibration:
            warn(
                "Nothing is held out that could tune the threshold or calibrate: "
                f"the threshold is {self.threshold_:g} and the probabilities are the "
                "network's own. Hold rows out (cv, X_val), or say threshold=None, "
                "calibration=None.",
            )


def _with_weight(X, weight):
    """X and weights without rows of weight 0; no copies if there are none."""
    kept = weight > 0
    return (X, weight) if kept.all() else (X[kept], weight[kept])


def import_training_module(module):
    """A module of this package that needs Keras and TensorFlow."""
    try:
        return importlib.import_module(f"._training.{module}", __package__)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] in ("tensorflow", "keras"):
            raise ImportError(
                "AdaptiveHybridClassifier needs TensorFlow to train: "
                "pip install 'skadaptive[tensorflow]', or 'skadaptive[tensorflow-cpu]'."
            ) from error
        raise
