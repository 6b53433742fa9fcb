"""The estimator: its parameters, the checks of its input, and its public methods.

The steps of ``fit`` and ``partial_fit`` are in ``_fitting``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from scipy.sparse import issparse
from scipy.special import logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_array, check_random_state, check_X_y, gen_batches
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from . import adaptation
from ._committee.calibration import CALIBRATIONS
from ._committee.decision import is_tuned
from ._committee.gathered import FIRST_ROWS, LATER_ROWS, GatheredRows
from ._committee.inference import (
    ACTIVATIONS,
    Committee,
    log_probabilities,
    probabilities,
)
from ._committee.scoring import check_scoring, labels
from ._committee.seen_rows import SeenRows, held_out_logits
from ._committee.state import CommitteeState, OutOfFoldBuffer, Seeds
from ._committee.threshold_tuning import check_threshold
from ._features.categories import (
    check_same_categories,
    encode,
    encoded_columns,
    encoded_levels,
    make_encoder,
    unseen_columns,
    without_categories,
)
from ._features.sparse import canonical
from ._features.transform import InputTransform
from ._features.values import column_title, needs_conversion, with_numbers
from ._fitting import FitTasks, FittedCommittee, GivenRows, fit_chunk, fit_rows
from ._interrupts import settings_kept
from ._io.doubtful_categories import doubtful_columns
from ._messages import shown
from ._parameters import FOCAL_CONSTRAINTS, check_labels_known, rare_class
from ._sklearn_compat import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
    callback_context,
    check_partial_fit_first_call,
    check_sample_weight,
    fit_context,
)
from ._training.backend import keras_backend_chosen
from ._typing import ArrayLike, FloatArray, RandomState, Table
from ._warnings import warn

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

# Features may be numbers, or NaN where missing.
_FEATURES = {
    "accept_sparse": "csr",
    "dtype": (np.float64, np.float32),
    "ensure_all_finite": "allow-nan",
}

# Rows from which on a column without any known category is worth a word.
_FEWEST_ROWS = 10

# Values of a sparse table that are made dense at a time.
_DENSE_VALUES = 2**22


class AdaptiveHybridClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Neural classifier for rare classes.

    A committee of small Keras networks is trained as one model on a weighted sum of
    cross-entropy, focal loss [1]_ and soft Dice loss [2]_. Each member holds out
    another fold of the training rows, so every row gets an out-of-fold prediction.
    After every epoch these predictions are scored. The score adapts the weights of the
    three losses, stops the training and chooses the epoch that is kept. In the end the
    out-of-fold predictions calibrate the probabilities and tune the decision threshold.
    No rows are lost to a validation set.

    Features may have any scale, missing values and categories. They are encoded and
    scaled inside. ``X`` may be sparse wherever it is passed, a matrix or an array of
    ``scipy.sparse``. Of a sparse table with more than 2,048 columns, or fewer above
    32,768 rows, the networks take the columns that are most relevant in the training
    rows of each member.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(64, 64, 64)
        Number of units in each hidden layer; an int is one layer. Wider layers rarely
        help on tables of fewer than 100,000 rows. An empty tuple gives an additive
        model, or together with ``n_bins=None`` a linear one.

    activation : {"relu", "selu", "elu", "gelu", "silu", "tanh"}, default="silu"
        Activation function of the hidden layers. There is rarely a reason to change it.

    n_bins : int, "auto" or None, default="auto"
        Number of quantile bins of the piecewise linear encoding, with which the
        networks learn sharp thresholds of a feature. "auto" is 16, and fewer for more
        than 32 features. If more than 128 features can be encoded, "auto" encodes at
        most 128 of them, in 4 bins: those that are most relevant in the training rows
        of each member. An integer encodes every feature, which takes much more time
        with hundreds of them. None switches the encoding off.

    dropout : float, default=0.0
        Fraction of the hidden units that is dropped in each training step, in [0, 1).
        It did not help on the tables of the benchmarks.

    gamma : float, default=2.0
        Focusing parameter of the focal loss, in [0, 100]. The greater it is, the less
        weight rows have that are already classified well; 0 gives a cross-entropy
        weighted by ``alpha``.

    alpha : float or array-like of shape (n_classes,), default=0.75
        Class weights of the focal loss. A float in [0, 1] is the weight of the rare
        class, and every other class gets ``1 - alpha``; an array has one non-negative
        weight per class, in the order of ``classes_``. A greater value raises the
        probability of the rare class; calibration and a tuned threshold undo most of
        this.

    loss_weights : array-like of shape (3,), default=(0.4, 0.4, 0.2)
        Weights of cross-entropy, focal loss and soft Dice loss at the start. They are
        scaled to sum to 1. A loss of weight 0 is left out for the whole training, so
        (1, 0, 0) trains on cross-entropy alone.

    adaptation : {"performance", "lookup", "threshold"} or callable, \
default="performance"
        Rule by which the loss weights follow the out-of-fold score. "performance":
        while the smoothed score does not rise, weight moves from cross-entropy to the
        other two losses; when it rises, the weights move back towards the start.
        "lookup": a published rule with three rows of weights, for F1 scores below 0.7,
        below 0.8 and above. "threshold": the weights are steered so that 0.5 is the
        right threshold, which matters if ``threshold`` is None or 0.5. A callable: see
        :mod:`skadaptive.adaptation`.

    adaptation_rate : float, default=0.1
        Step size of the adaptation, in [0, 1]. 0 keeps the loss weights constant, which
        is not proven to be worse on the tables of the benchmarks.

    scoring : str or callable, default="f1"
        Score of the out-of-fold predictions, by which training adapts, stops and
        chooses the epoch: the name of a scikit-learn scorer for classifiers or a
        callable ``scorer(estimator, X, y)``. Choose the score that you will report.

        A name takes the rare class as the positive class. With more than two classes
        "f1" and similar names stand for their macro average. With two classes and a
        tuned ``threshold``, the six names "f1", "f1_macro", "accuracy",
        "balanced_accuracy", "jaccard" and "matthews_corrcoef" are computed at the best
        threshold of each epoch. Otherwise labels are predicted at 0.5: for "precision",
        "recall" and callables, and for all names if ``threshold`` is a number or None.

    class_weight : dict or "balanced", default=None
        Weights of the classes in the three losses. "balanced" is
        ``n_samples / (n_classes * n_samples_of_class)``. Calibrated probabilities
        remain those of the natural class shares, and a tuned threshold serves its
        criterion alone, so that class weights are rarely needed. Where the most
        probable class is chosen, with ``threshold=None`` or more than two classes,
        they are also the costs of errors.

    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        Features that are categories: column names, column numbers or a boolean mask.
        "from_dtype" takes the columns of a DataFrame that hold strings or have a
        categorical dtype, and those of dtype object without any value. Categories are
        one-hot encoded. A feature gets at most 64 columns. If it has more categories,
        the rarest share the last column. Missing values are one of the categories, so
        they may be among those that share it. Dates are neither numbers nor categories;
        :func:`skadaptive.contenders.raw_pipeline` turns them into numbers.

    sampler : imbalanced-learn sampler, default=None
        Resamples the training rows of each member and nothing else: held-out rows keep
        their natural class shares, and no synthetic row is made from them. With an
        under-sampler each member draws its own balanced subset, as in balanced bagging.
        The sampler is cloned. Its seed follows ``random_state``, and so do the seeds of
        samplers and estimators inside it.

    cv : int, float, splitter, iterable, "auto" or None, default="auto"
        How rows are assigned to members: each member trains on one split's training
        rows and is validated on the rest.

        - "auto": 10 members up to 4,000 rows, 5 above and in ``partial_fit``.
        - int: that many stratified, shuffled folds, one member per fold.
        - float: one member, with this fraction of the rows held out. This is the
          fastest choice that still stops early.
        - splitter or iterable of (train, test) index pairs: one member per split.
        - None: one member and no held-out rows, hence no adaptation, no early stopping,
          no tuned threshold and no calibration.

        If a class has fewer rows than there are folds, there are as many folds as it
        has rows.

    optimizer : str or dict, default="adam"
        Name of a Keras optimizer, or its Keras configuration, such as
        ``{"class_name": "sgd", "config": {"momentum": 0.9}}``. The other defaults were
        chosen with Adam.

    learning_rate : float, default=0.04
        Learning rate during the first half of ``max_epochs``; in the second half it
        falls to 0 along a cosine. It is scaled to the width of each layer, so one value
        suits narrow and wide networks. Lower it if training diverges.

    batch_size : int or "auto", default="auto"
        Rows per step and member. "auto" grows with the number of rows from 64 to 256,
        and is 512 if an epoch has more than 24,000 rows.

    max_epochs : int or "auto", default="auto"
        Greatest number of epochs. "auto" is 24 for small tables. From about 4,000
        training rows per member it falls, down to 6 from 16,000. With 12 epochs or
        more, that is "auto" up to 8,727 training rows per member, each member
        predicts with the mean of its weights after up to three epochs.

        From 16,000 training rows per member on, an epoch takes only
        ``sqrt(16_000 * n_rows)`` of them: as many of each class as there are, but at
        most a number that is the same for all classes. Rows that are left out come in
        the next epochs, and the rows of a thinned-out class weigh more. Raise
        ``max_epochs`` if accuracy counts more than time.

    early_stopping : bool, default=True
        Whether to stop when the score no longer rises. The parameters of the best epoch
        are kept in either case.

    n_iter_no_change : int or "auto", default="auto"
        Number of epochs without a rise of the smoothed score after which training
        stops. "auto" is a fifth of ``max_epochs``, but at least 5.

    threshold : "tune", float, callable or None, default="tune"
        Decision threshold: with two classes, a row is predicted rare if its probability
        of the rare class is above it. With more classes the most probable one is
        predicted.

        - "tune": the threshold that is best out of fold. It is tuned for ``scoring`` if
          that is one of the six names listed there, and for F1 otherwise, also if
          ``scoring`` is "precision" or "recall". If the rare class has 45 % of the
          weight or more, nothing is tuned, as with None.
        - float in (0, 1): this threshold.
        - callable: a criterion, see :mod:`skadaptive.thresholds`; for costs, a minimum
          recall or a minimum precision.
        - None: the most probable class, which is the threshold 0.5 without
          ``class_weight``. Take this in boosting, such as ``AdaBoostClassifier``: on
          rows that it weighs anew, a threshold tuned for F1 may call nearly all rows
          rare, and boosting ends at a classifier that errs on half of the weight.

    calibration : {"sigmoid", "isotonic"} or None, default="sigmoid"
        Calibration of the probabilities on out-of-fold predictions at the natural class
        shares. It corrects what focal loss, Dice loss, weights and resampling do to
        them, and hardly changes the ranking. Take "isotonic" only with several hundred
        rare rows; prediction then runs in float64 and takes about twice as long.

    warm_start : bool, default=False
        Whether ``fit`` continues from the networks of the last fit, for ``max_epochs``
        more epochs, with the same scaling, bins, categories, layers, classes and
        members. If no new epoch is better, the networks stay as they were. The state of
        the training is kept for this, which takes several times the memory of the
        networks; see :meth:`drop_training_state`. Rows are held out from the same
        members only if ``X`` and ``y`` are the same as before, or all new; otherwise
        pass the splits as ``cv``.

    random_state : int, RandomState instance or None, default=None
        Seed of folds, initial parameters, batches, dropout and sampler. Pass an int for
        reproducible results.

    verbose : int, default=0
        1 shows a progress bar with loss, score and loss weights.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.

    n_features_in_ : int
        Number of features seen in ``fit``.

    feature_names_in_ : ndarray of shape (``n_features_in_``,)
        Names of the features, if all are strings.

    feature_encoder_ : ColumnTransformer or None
        Encoder of a table with categories; None if there are none.

    history_ : dict of list
        One value per epoch: ``epoch`` (from 1), ``loss``, ``score`` (see
        ``best_score_``; NaN if nothing is held out), ``weight_cross_entropy``,
        ``weight_focal``, ``weight_dice``. If the adaptation rule takes ``held_out``, as
        "threshold" does, also ``best_threshold``, before calibration, and the confusion
        matrix at 0.5: ``tp``, ``fp``, ``fn``, ``tn``. It grows from call to call with
        ``warm_start`` and ``partial_fit``. ``pandas.DataFrame(model.history_)`` is a
        table of it.

    loss_weights_ : ndarray of shape (3,)
        Loss weights of the best epoch.

    n_iter_ : int
        Number of epochs run, in all calls.

    best_epoch_ : int
        Epoch whose parameters are kept, counted from 1.

    best_score_ : float
        Out-of-fold score of that epoch, or its score on the validation data. By default
        it is F1 at the threshold that is best for these very rows (see ``scoring``),
        before calibration, so it is somewhat higher than the F1 of new rows. Of more
        than 50,000 held-out rows a weighted sample is scored, from which no rare row is
        missing; a callable ``scoring`` gets all of them.

    threshold_ : float
        Probability of the rare class above which a row is predicted rare. Not used
        with more than two classes, where it is 1 less the rare class's share of the
        class weights: 2/3 for three equal ones.

    oof_proba_ : ndarray of shape (n_samples, n_classes)
        Calibrated out-of-fold probabilities: those of the member that held the row out.
        If several members did, as with a repeated splitter, the mean of their logits is
        calibrated. NaN for rows that were never held out or have weight 0, and for all
        rows if validation data are given. After ``partial_fit`` they are those of the
        last chunk.

    See Also
    --------
    skadaptive.compare : Comparison with other classifiers on the same folds.
    skadaptive.evaluate : Measures with intervals on new rows.
    skadaptive.to_onnx : A graph of the fitted classifier for programs without Python.
    sklearn.neural_network.MLPClassifier : Networks trained on cross-entropy alone.
    imblearn.ensemble.BalancedBaggingClassifier : Resampling around any classifier.

    Notes
    -----
    With two classes the rare class is ``classes_[1]``, unless ``classes_[0]`` has less
    than half of its weight. With more classes it is the one with the least weight.
    ``decision_function`` is positive for ``classes_[1]`` as everywhere in
    scikit-learn.

    ``best_score_`` and ``oof_proba_`` are a little better than what new rows will show:
    the same rows choose the epoch, the calibration and the threshold, and features are
    scaled by all rows. Compare models on rows that ``fit`` has not seen.

    From scikit-learn 1.9 on, ``set_callbacks`` takes callbacks, such as ``ProgressBar``
    of ``sklearn.callback``, which follow the epochs of ``fit``; ``docs/tracking.md``
    has these, MLflow and TensorBoard.

    Tips for faster training: take ``cv=5`` or ``cv=0.2`` instead of ten members,
    ``n_bins=None`` on tables of a hundred features, or a smaller ``max_epochs``.

    Tips for more accuracy: try ``cv=10`` above 4,000 rows as well, choose the
    ``scoring`` that you will report, and search over ``gamma``, ``alpha`` and
    ``hidden_layer_sizes``. Resampling rarely helps once the threshold is tuned.

    Tips for extreme rarity, below some 50 rare rows: keep ten members and
    ``calibration="sigmoid"``. If the costs of errors are known, pass them as
    ``threshold=skadaptive.thresholds.expected_cost(...)`` instead of tuning for F1.

    ``docs/method.md`` explains each step from the features to the decision.

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
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "n_bins": [
            StrOptions({"auto"}),
            Interval(Integral, 3, None, closed="left"),
            None,
        ],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        **FOCAL_CONSTRAINTS,
        "loss_weights": ["array-like"],
        "adaptation": [StrOptions(set(adaptation.RULES)), callable],
        "adaptation_rate": [Interval(Real, 0, 1, closed="both")],
        "scoring": [str, callable],  # see check_scoring
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "sampler": [HasMethods("fit_resample"), None],
        "cv": [
            StrOptions({"auto"}),
            "cv_object",
            Interval(Real, 0, 1, closed="neither"),
        ],
        "optimizer": [StrOptions(_OPTIMIZERS), dict],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "max_epochs": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "early_stopping": ["boolean"],
        "n_iter_no_change": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "threshold": [
            str,  # see check_threshold
            Interval(Real, 0, 1, closed="neither"),
            callable,
            None,
        ],
        "calibration": [StrOptions(set(CALIBRATIONS)), None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # Set by fit and partial_fit; Any, as scikit-learn's labels may be of any type.
    classes_: Any
    _committee: Committee
    _state: CommitteeState | None
    _rare: int  # index of the rare class
    _decision_offset: float | np.ndarray
    #: For explanations; None after partial_fit, and for an estimator from a model file.
    _seen_rows: SeenRows | None = None
    #: Rows of a stream from which nothing is learnt yet.
    _gathered: GatheredRows = GatheredRows()

    def __init__(  # noqa: PLR0913, PLR0917 - as people know them from scikit-learn
        self,
        hidden_layer_sizes: ArrayLike | int = (64, 64, 64),
        activation: str = "silu",
        n_bins: int | str | None = "auto",
        dropout: float = 0.0,
        gamma: float = 2.0,
        alpha: float | ArrayLike = 0.75,
        loss_weights: ArrayLike = (0.4, 0.4, 0.2),
        adaptation: str | Callable = "performance",
        adaptation_rate: float = 0.1,
        scoring: str | Callable = "f1",
        class_weight: Mapping | str | None = None,
        categorical_features: ArrayLike | str | None = "from_dtype",
        sampler: Any = None,
        cv: Any = "auto",
        optimizer: str | dict = "adam",
        learning_rate: float = 0.04,
        batch_size: int | str = "auto",
        max_epochs: int | str = "auto",
        early_stopping: bool = True,
        n_iter_no_change: int | str = "auto",
        threshold: str | float | Callable | None = "tune",
        calibration: str | None = "sigmoid",
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.n_bins = n_bins
        self.dropout = dropout
        self.gamma = gamma
        self.alpha = alpha
        self.loss_weights = loss_weights
        self.adaptation = adaptation
        self.adaptation_rate = adaptation_rate
        self.scoring = scoring
        self.class_weight = class_weight
        self.categorical_features = categorical_features
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
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Table,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Table | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit the committee.

        Parameters
        ----------
        X : array-like, sparse or DataFrame of shape (n_samples, n_features)
            Numbers on any scale, NaN where missing, or categories; see
            ``categorical_features``.
        y : array-like of shape (n_samples,)
            Class labels, two or more.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a row of weight 0 counts as absent.
        X_val : table of shape (n_val, n_features), default=None
            Validation rows, which take the place of held-out rows: every member trains
            on all of X, from its own initial parameters, and ``cv`` only sets the
            number of members.
        y_val : array-like of shape (n_val,), default=None
            Labels of the validation rows.
        sample_weight_val : array-like of shape (n_val,), default=None
            Sample weights of the validation rows.
        groups : array-like of shape (n_samples,), default=None
            Group of each row; rows of one group are held out together.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters or data, and if training diverges.
        ImportError
            If neither TensorFlow nor JAX is installed. Nothing but training and
            ``model_`` needs them.
        RuntimeError
            If the process was forked after TensorFlow or JAX had started.

        Warns
        -----
        UserWarning
            If nothing is held out although the threshold or the calibration needs it.
            If columns of texts are taken for categories by their dtype and look like
            identifiers, free text, numbers or dates.
        """
        root = callback_context(self)
        tasks = None if root is None else FitTasks(self, root, X, y, sample_weight)
        with _restored_on_error(self):
            validation = X_val, y_val, sample_weight_val
            self._fit(X, y, sample_weight, validation, groups, tasks)
            if tasks is not None:
                tasks.end()
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Table,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn from one chunk of data that arrive in chunks or do not fit in memory.

        One pass over the chunk continues from where the last call, of ``fit`` or of
        ``partial_fit``, ended: with its networks, optimizer state and loss weights. A
        part of the chunk is held out from each member, as ``cv`` says: an int, a float
        or None. The score of the held-out rows adapts the loss weights; the held-out
        rows of the latest chunks calibrate the probabilities and tune the threshold.
        These are the latest half of the held-out rows so far, thinned to 100,000.
        Medians and interquartile ranges are averaged over the chunks.

        Rows may come one by one. A chunk of fewer than 30 rows, or than 100 if nothing
        is learnt yet, is gathered with those before it until they are so many, and then
        learnt. Until the first 100 rows have come, ``predict_proba`` returns the shares
        of the classes in them, and ``threshold_`` is 0.5 or the number given.

        Parameters
        ----------
        X : array-like, sparse or DataFrame of shape (n_samples, n_features)
            Numbers on any scale, NaN where missing, or categories; see
            ``categorical_features``.
        y : array-like of shape (n_samples,)
            Class labels; a chunk need not have rows of every class.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come. Needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, in one unit for all chunks.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters or data, a label that is not in ``classes``, and if
            training diverges. The estimator is then as before the call.
        ImportError
            If neither TensorFlow nor JAX is installed.
        RuntimeError
            If the process was forked after TensorFlow or JAX had started.

        Notes
        -----
        The chunks should come in random order, and the first should have rows of every
        class: it decides which class is rare, which features have missing values or
        heavy tails, and what the categories are. A ``sampler`` needs enough rows of
        each class in every chunk; the training part of a member that is all of one
        class is not resampled. ``max_epochs``, ``early_stopping`` and ``warm_start``
        are not used. The learning rate is ``learning_rate`` divided by the square root
        of 1 + steps / 100, but at least a quarter of ``learning_rate``. The steps of an
        earlier ``fit`` count, and the learning rates that its features had stay. After
        a ``fit`` without ``warm_start`` training continues from the averaged networks
        that predict, and the optimizer begins anew.

        A row that comes again in a later chunk is held out from the same member again.
        ``fit`` assigns rows in another way. So rows of an earlier ``fit`` that come
        again in a chunk are scored by members that were trained on them, and so are
        rows of earlier chunks in a ``fit`` with ``warm_start``.
        """
        with _restored_on_error(self):
            self._partial_fit(X, y, classes, sample_weight)
        return self

    def predict(self, X: Table) -> np.ndarray:
        """Predict class labels.

        Parameters
        ----------
        X : array-like, sparse or DataFrame of shape (n_samples, n_features)
            Rows with the features of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,)
            Predicted labels. With two classes a row is predicted rare if its
            probability of the rare class is above ``threshold_``; otherwise the most
            probable class is predicted.
        """
        decision = self.decision_function(X)
        return self.classes_[labels(decision.reshape(len(decision), -1))]

    def predict_proba(self, X: Table) -> FloatArray:
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like, sparse or DataFrame of shape (n_samples, n_features)
            Rows with the features of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Calibrated probabilities, in the order of ``classes_``.
        """
        return probabilities(self._logits(X))

    def predict_log_proba(self, X: Table) -> FloatArray:
        """Predict logarithms of class probabilities, finite for any logit.

        Parameters
        ----------
        X : array-like, sparse or DataFrame of shape (n_samples, n_features)
            Rows with the features of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log-probabilities, in the order of ``classes_``.
        """
        return log_probabilities(self._logits(X))

    def decision_function(self, X: Table) -> FloatArray:
        """Compute the distance of each row from the decision, in log-odds.

        Parameters
        ----------
        X : array-like, sparse or DataFrame of shape (n_samples, n_features)
            Rows with the features of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            With two classes the log-odds of ``classes_[1]`` less those of the
            threshold, positive exactly where ``predict`` says ``classes_[1]``.
            Otherwise the logarithms of probability times class weight.
        """
        decision = self._logits(X) + self._decision_offset
        return decision[:, 0] if decision.shape[1] == 1 else decision

    def drop_training_state(self) -> Self:
        """Drop what only further training needs, such as the optimizer's state.

        Call it before a fitted estimator is saved for the last time. Predictions and
        attributes stay the same. Afterwards ``partial_fit``, and ``fit`` with
        ``warm_start``, raise an error; ``fit`` without it begins anew as ever.

        After ``partial_fit``, and after ``fit`` with ``warm_start``, this saves several
        times the memory of the networks. Any other ``fit`` keeps only a small part of
        the training state, and the labels and out-of-fold logits of up to 100,000
        training rows.

        Returns
        -------
        self
            The fitted estimator.
        """
        check_is_fitted(self)
        self._state = None
        self._gathered = GatheredRows()
        return self

    @property
    def model_(self) -> Any:
        """The committee as a new ``keras.Model``: features to probabilities.

        The model is built of Keras's own layers at each access, float32 but for the
        scaling. It takes categories as numbers, one-hot encoded after the other
        features: ``feature_encoder_.transform(X)``. Keras's ``predict`` rounds its
        input to float32 before the model sees it; for features of more than seven
        digits, such as time stamps, call the model itself. On Keras's JAX backend the
        scaling is float32, too, unless JAX's 64-bit numbers are switched on.
        """
        check_is_fitted(self)
        with keras_backend_chosen():
            from ._training.network import build_model
        return build_model(self._committee)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_committee")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags

    def _members_that_held_out(self, X: Table) -> np.ndarray | None:
        """Members that held out each row, if X is the table of the last ``fit``."""
        seen = self._seen_rows
        return None if seen is None else seen.match(self._as_numbers(X))

    def _held_out_logits(self, X: Table, members: np.ndarray) -> FloatArray:
        """Calibrated logits of rows by the members given, see ``seen_rows``."""
        table = self._committee.transform.take(self._as_numbers(X))
        return held_out_logits(self._committee, table, members)

    def _logits(self, X: Table) -> FloatArray:
        with settings_kept():
            return self._computed_logits(X)

    def _computed_logits(self, X: Table) -> FloatArray:
        if not hasattr(self, "_committee"):
            if not self._gathered.n_rows:
                check_is_fitted(self)  # raises an error
            n_rows = self._as_numbers(X).shape[0]
            return np.repeat(self._gathered.logits(self.classes_), n_rows, axis=0)
        X = self._as_numbers(X)
        committee = self._committee
        take = committee.transform.take
        if not issparse(X):
            return committee.logits(take(X))
        n_rows = max(1, _DENSE_VALUES // max(1, committee.transform.n_features))
        parts = gen_batches(X.shape[0], n_rows)
        return np.concatenate([committee.logits(take(X[part])) for part in parts])

    # ----------------------------------------------------------------- steps of fitting

    def _fit(
        self,
        X: Table,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        validation: tuple,
        groups: ArrayLike | None,
        tasks: FitTasks | None,
    ) -> None:
        check_scoring(self.scoring)
        check_threshold(self.threshold)
        self._gathered = GatheredRows()
        continues = self.warm_start and hasattr(self, "_state")
        table, target, weight = self._check_data(X, y, sample_weight, not continues)
        if not continues:
            self._warn_of_doubtful_categories(X)
        # Only ratios of the weights matter, and squares of large ones may overflow.
        unit = weight.max()
        unit *= (weight[weight > 0] / unit).mean()
        weight = _in_units(weight, unit)
        indices = self._check_classes(target, weight, continues)
        rows = table if issparse(X) else X  # CSR, whose rows can be picked
        given = GivenRows(rows, table, indices, weight, sample_weight is not None)
        class_totals = np.bincount(indices, weight, len(self.classes_))
        state = dataclasses.replace(
            self._resumed_state() if continues else self._new_state(class_totals),
            weight_unit=unit,
            class_totals=class_totals,
            out_of_fold=OutOfFoldBuffer(),
        )
        transform: InputTransform | None
        if continues:
            transform = self._same_transform()
        else:
            transform = self._new_transform(table, weight)
        fitted = fit_rows(
            self,
            given,
            self._check_validation_data(*validation),
            groups,
            state,
            transform,
            tasks,
        )
        if continues and fitted.seen is not None:
            seen = fitted.seen.after(self._seen_rows)
            fitted = dataclasses.replace(fitted, seen=seen)
        self._take_over(fitted, continues=self.warm_start)
        self._warn_of_boosting(given)
        if self.cv is None and fitted.monitor.scorer is None:
            self._warn_of_nothing_held_out()

    def _partial_fit(
        self,
        X: Table,
        y: ArrayLike,
        classes: ArrayLike | None,
        sample_weight: ArrayLike | None,
    ) -> None:
        check_scoring(self.scoring)
        check_threshold(self.threshold)
        is_first = check_partial_fit_first_call(self, classes)
        if len(self.classes_) < 2:
            raise ValueError(
                f"classes must name at least two classes; got {shown(classes)}."
            )
        enough = LATER_ROWS if hasattr(self, "_committee") else FIRST_ROWS
        n_rows = np.shape(y)[0] if np.ndim(y) else 0
        if n_rows >= enough and not self._gathered.n_rows:
            self._learn_chunk(X, y, sample_weight)
            return
        self._gather(X, y, sample_weight, is_first)
        while self._gathered.n_rows >= enough:
            n_learnt = self._gathered.n_rows if n_rows >= enough else enough
            chunk, rest = self._gathered.split(n_learnt)
            (X,), (y,), (weight,) = chunk.tables, chunk.labels, chunk.weights
            self._learn_chunk(X, y, weight if chunk.is_weighted else None)
            self._gathered, enough = rest, LATER_ROWS

    def _gather(
        self, X: Table, y: ArrayLike, sample_weight: ArrayLike | None, is_first: bool
    ) -> None:
        """Add rows to those that wait until there are enough to learn from."""
        is_new = not hasattr(self, "_committee")
        if not is_new and self._state is None:
            self._resumed_state()  # raises an error
        # What the columns hold is learnt again from all rows that wait.
        _, target, weight = self._check_rows(
            X, y, sample_weight, is_first, encodes=is_first
        )
        self._class_indices(target[weight > 0], "y")
        is_weighted = sample_weight is not None
        self._gathered = self._gathered.append(X, target, weight, is_weighted)
        if is_new and self._gathered.n_rows:
            totals = self._gathered.class_totals(self.classes_)
            self._rare = rare_class(totals)
            self.threshold_ = 0.5
            if isinstance(self.threshold, Real) and len(totals) == 2:
                self.threshold_ = float(self.threshold)
            sign = -1.0 if self._rare == 0 else 1.0
            self._decision_offset = -sign * logit(self.threshold_)

    def _learn_chunk(
        self, X: Table, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> None:
        is_first = not hasattr(self, "_committee")
        table, target, weight = self._check_data(X, y, sample_weight, is_first)
        earlier = None if is_first else self._resumed_state()
        unit = earlier.weight_unit if earlier else float(weight[weight > 0].mean())
        weight = _in_units(weight, unit)
        # A row of weight 0 counts as absent, whatever its class.
        target = np.where(weight > 0, target, self.classes_[0])
        indices = self._class_indices(target, "y")
        class_totals = np.bincount(indices, weight, len(self.classes_))
        if earlier is None:
            self._warn_of_doubtful_categories(X)
            transform = self._new_transform(table, weight)
            state = self._new_state(class_totals)
        else:
            state = earlier
            class_totals = class_totals + state.class_totals
            share = weight.sum() / class_totals.sum()
            transform = self._same_transform()
            transform = transform.updated(transform.take(table), weight, share)
        state = dataclasses.replace(state, weight_unit=unit, class_totals=class_totals)
        rows = table if issparse(X) else X  # CSR, whose rows can be picked
        given = GivenRows(rows, table, indices, weight, sample_weight is not None)
        self._take_over(fit_chunk(self, given, state, transform), continues=True)
        if is_first and self.cv is None:
            self._warn_of_nothing_held_out()

    def _take_over(self, fitted: FittedCommittee, continues: bool) -> None:
        """Set everything that a fit leaves behind.

        ``continues`` says whether the training is meant to continue.
        """
        for name, value in self._attributes_of(fitted).items():
            setattr(self, name, value)
        self._state = fitted.state.kept(fitted.committee.dtype, continues)

    def _attributes_of(self, fitted: FittedCommittee) -> dict[str, Any]:
        """The attributes that a fit sets, without what only further training needs."""
        monitor, decision = fitted.monitor, fitted.decision
        best = monitor.best_epoch - 1
        return {
            "_committee": fitted.committee,
            "_state": None,
            "_rare": fitted.state.rare,
            "_decision_offset": decision.offset,
            "history_": {name: [*values] for name, values in monitor.history.items()},
            "n_iter_": len(monitor.history["epoch"]),
            "best_epoch_": monitor.best_epoch,
            "best_score_": monitor.best_score,
            "loss_weights_": np.array(
                [monitor.history[f"weight_{term}"][best] for term in adaptation.TERMS]
            ),
            "threshold_": decision.threshold,
            "oof_proba_": fitted.oof_proba,
            "_seen_rows": fitted.seen,
        }

    def _new_state(self, class_totals: np.ndarray) -> CommitteeState:
        rng = check_random_state(self.random_state)
        seeds = Seeds(*map(int, rng.randint(2**31 - 1, size=4)))
        return CommitteeState(seeds, rare_class(class_totals), class_totals)

    def _resumed_state(self) -> CommitteeState:
        """The state in which the training continues."""
        if self._state is None:
            raise ValueError(
                "Training cannot go on, because drop_training_state() was called, or "
                "because the estimator comes from a model file, which does not hold "
                "that state. Fit anew with warm_start=False, or go on with the "
                "estimator from before."
            )
        committee = self._committee
        return self._state.resumed(committee.kernels, committee.biases)

    def _new_transform(self, table: Any, weight: FloatArray) -> InputTransform | None:
        """Scaling and encoding; None for a sparse table, whose columns are chosen."""
        if issparse(table):
            return None
        transform = InputTransform.fit(table, weight, self.n_bins)
        self._warn_of_unscalable(table, transform)
        return transform

    def _same_transform(self) -> InputTransform:
        """The transform of the network to continue from; refuses another ``n_bins``."""
        transform = self._committee.transform
        n_bins = transform.encoding.n_bins or None
        if self.n_bins != n_bins and (self.n_bins != "auto" or n_bins is None):
            raise ValueError(
                f"Training cannot go on with another network: n_bins was {n_bins} and "
                f"is {shown(self.n_bins)}. Set that back, or fit anew with "
                "warm_start=False."
            )
        return transform

    # --------------------------------------------------------------------------- checks

    def _check_data(
        self, X: Table, y: ArrayLike, sample_weight: ArrayLike | None, reset: bool
    ) -> tuple[FloatArray, np.ndarray, FloatArray]:
        """X and weights as arrays, y as it is; some row must have weight."""
        table, target, weight = self._check_rows(X, y, sample_weight, reset)
        if not weight.any():
            raise ValueError("Sample weights are all zero: there is nothing to fit.")
        return table, target, weight

    def _check_rows(
        self,
        X: Table,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        reset: bool,
        encodes: bool = True,
    ) -> tuple[FloatArray, np.ndarray, FloatArray]:
        if y is None:
            validate_data(self, X, y)  # scikit-learn's error
        numbers = self._as_numbers(X, reset, encodes)
        check_labels_known(y)
        with np.errstate(over="ignore", invalid="ignore"):
            table, target = check_X_y(numbers, y, **_FEATURES)
        if not reset:
            check_same_categories(self.categorical_features, self.feature_encoder_, X)
        check_classification_targets(target)
        return table, target, check_sample_weight(sample_weight, table)

    def _as_numbers(
        self, X: Table, reset: bool = False, encodes: bool = True
    ) -> FloatArray:
        """X as numbers, categories encoded; checks its columns, or learns them.

        ``encodes`` false: categories are left out, where nothing but the checks matter.
        """
        # scikit-learn sums all values, to see whether they are finite.
        with np.errstate(over="ignore", invalid="ignore"):
            return self._checked_numbers(X, reset, encodes)

    def _checked_numbers(self, X: Table, reset: bool, encodes: bool) -> FloatArray:
        if reset:
            self.feature_encoder_ = make_encoder(self.categorical_features, X)
        encoder, is_converted = self.feature_encoder_, needs_conversion(X)
        if encoder is None and not is_converted:
            X = validate_data(self, X, reset=reset, **_FEATURES)
            return canonical(X) if issparse(X) else X
        validate_data(self, X, reset=reset, skip_check_array=True)
        if is_converted:
            X = with_numbers(X, encoded_columns(encoder), is_fit=reset)
        if encoder is not None and not encodes:
            X = without_categories(encoder, X)
        elif encoder is not None:
            if not reset and hasattr(self, "_committee"):
                self._warn_of_unseen_categories(X)
            X = encode(encoder, X)
        return check_array(X, estimator=self, input_name="X", **_FEATURES)

    def _check_classes(
        self, y: np.ndarray, weight: FloatArray, continues: bool
    ) -> np.ndarray:
        """Labels as class indices; sets ``classes_``."""
        classes = np.unique(y[weight > 0])
        if continues and not np.array_equal(classes, self.classes_):
            raise ValueError(
                "Training goes on with the classes of the last fit, "
                f"{shown(self.classes_)}; got {shown(classes)}. Fit anew with "
                "warm_start=False."
            )
        self.classes_ = classes
        if len(classes) < 2:
            raise ValueError(
                "AdaptiveHybridClassifier needs at least two classes in y whose rows "
                f"have weight; got one class, {shown(classes[0])}."
            )
        # A class without any weight counts as absent, like its rows.
        return np.minimum(np.searchsorted(classes, y), len(classes) - 1)

    def _class_indices(self, y: np.ndarray, name: str) -> np.ndarray:
        """Labels as indices into ``classes_``, which has to hold them."""
        unseen = np.setdiff1d(y, self.classes_)
        if unseen.size:
            raise ValueError(
                f"{name} holds classes that are not known: {shown(unseen)}. The "
                f"classes are {shown(self.classes_)}."
            )
        return np.searchsorted(self.classes_, y)

    def _check_validation_data(
        self,
        X: Table | None,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
    ) -> GivenRows | None:
        """Validation rows, checked; None if there are none."""
        if X is None:
            if y is not None or sample_weight is not None:
                raise ValueError("y_val and sample_weight_val need X_val.")
            return None
        if y is None:
            raise ValueError("X_val needs y_val, its labels.")
        table = self._as_numbers(X)
        target = column_or_1d(y, warn=True)
        check_consistent_length(table, target)
        indices = self._class_indices(target, "y_val")
        weight = check_sample_weight(sample_weight, table)
        weight = weight / weight[weight > 0].mean()
        rows = table if issparse(X) else X
        return GivenRows(rows, table, indices, weight, sample_weight is not None)

    def _warn_of_doubtful_categories(self, X: Any) -> None:
        """Warn of texts that are categories by their dtype alone, and seem to be none.

        Names in ``categorical_features`` leave no doubt.
        """
        if not isinstance(self.categorical_features, str):
            return
        found = doubtful_columns(X, encoded_levels(self.feature_encoder_))
        if found:
            columns = [f"{self._column_title(i)}: {what}" for i, what in found.items()]
            warn(
                "Columns of texts are taken for categories, of which at most 64 a "
                "column are told apart, and these do not look like any. "
                f"{'. '.join(columns)}. They say little about new rows and make fit "
                "slow. Drop identifiers; turn numbers and dates into such with "
                "pandas.to_numeric and pandas.to_datetime; dates and free text are "
                "encoded by skadaptive.contenders.raw_pipeline(X, classifier). If a "
                "column is a category, name it in categorical_features, or give it "
                "the dtype 'category'."
            )

    def _warn_of_unseen_categories(self, X: Any) -> None:
        """Warn of columns without a known category; a few rows may well have none."""
        if len(X) < _FEWEST_ROWS:
            return
        for column, values in unseen_columns(self.feature_encoder_, X).items():
            warn(
                f"{self._column_title(column)} has no category that fit has seen in "
                f"any of {len(X)} rows, but {shown(values)}: it says nothing here. "
                "Look at its spelling and its type, as 1 is not '1'."
            )

    def _warn_of_unscalable(self, table: FloatArray, transform: InputTransform) -> None:
        categorical = set(encoded_columns(self.feature_encoder_))
        numeric = [i for i in range(self.n_features_in_) if i not in categorical]
        for column in transform.unscalable(table):
            if column < len(numeric):
                warn(
                    f"{self._column_title(numeric[column])} counts as constant: the "
                    "range of its values is below 6e-309 or above 1e308, so that "
                    "float64 cannot scale it. Multiply it by a power of 10."
                )

    def _column_title(self, column: int) -> str:
        names = getattr(self, "feature_names_in_", None)
        return column_title(column if names is None else names[column])

    def _warn_of_boosting(self, given: GivenRows) -> None:
        """Warn where boosting would end: labels that are wrong for half of the weight.

        Weights that differ within a class, as boosting sets them, tell it.
        """
        if self.threshold != "tune" or len(self.classes_) > 2 or not given.is_weighted:
            return
        spreads = [np.ptp(given.weight[given.y == label]) for label in (0, 1)]
        known = ~np.isnan(self.oof_proba_[:, 0]) if max(spreads) > 0 else []
        if not np.any(known):
            return
        is_rare = self.oof_proba_[known, self._rare] > self.threshold_
        wrong = is_rare != (given.y[known] == self._rare)
        share = np.average(wrong, weights=given.weight[known])
        if share >= 0.5:
            warn(
                f"At the tuned threshold the labels are wrong for {share:.0%} of the "
                "sample weight, out of fold. Boosting, such as AdaBoostClassifier, "
                "ends at such a classifier: pass threshold=None, which predicts the "
                "most probable class."
            )

    def _warn_of_nothing_held_out(self) -> None:
        if is_tuned(self.threshold) or self.calibration:
            warn(
                "Nothing is held out that could tune the threshold or calibrate: "
                f"the threshold is {self.threshold_:g} and the probabilities are the "
                "network's own. Hold rows out (cv, X_val), or say threshold=None, "
                "calibration=None."
            )


def _in_units(weight: FloatArray, unit: float) -> FloatArray:
    """Weights in a unit; none is so small beside the largest that its share would be 0.

    A row whose weight is 0 stays absent, and any other counts.
    """
    scaled = weight / unit
    return np.where(weight > 0, np.maximum(scaled, 1e-100 * scaled.max()), 0.0)


@contextmanager
def _restored_on_error(estimator: AdaptiveHybridClassifier) -> Iterator[None]:
    """Give the estimator its attributes back if fitting fails or is interrupted."""
    before = estimator.__dict__.copy()
    try:
        with settings_kept():
            yield
    except BaseException:
        estimator.__dict__.clear()
        estimator.__dict__.update(before)
        raise
