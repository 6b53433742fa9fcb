"""The estimator: parameters and the public surface."""

from contextlib import contextmanager
from numbers import Integral, Real

from sklearn.base import ClassifierMixin
from sklearn.metrics import get_scorer_names
from sklearn.utils.validation import check_is_fitted

from . import adaptation
from ._committee import inference
from ._committee.calibration import CALIBRATIONS
from ._committee.scoring import labels
from ._fitting import BaseCommittee, import_training_module
from ._sklearn_compat import HasMethods, Interval, StrOptions, fit_context

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


class AdaptiveHybridClassifier(ClassifierMixin, BaseCommittee):
    """Neural classifier for rare classes.

    A committee of small networks, each held out from another fold of the training
    rows, trained as one on a hybrid of cross-entropy, focal loss and soft Dice loss.
    The score of the pooled out-of-fold predictions moves the mix of the three during
    training, stops the training and chooses the epoch that is kept, so that no rare
    row is spent on a validation set. Features are put on a common scale inside.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int, default=(64, 64, 64)
        Units of each hidden layer. Empty: a generalized additive model, or with
        ``n_bins=None`` a linear one.

    activation : {"relu", "selu", "elu", "gelu", "silu", "tanh"}, default="silu"
        Activation of the hidden layers.

    n_bins : int, "auto" or None, default="auto"
        Intervals between quantiles by which every feature is encoded piecewise
        linearly, beside the scaled feature itself, so that the network sees single
        thresholds. Features of fewer than four distinct quantiles are not encoded.
        "auto": 16, or with more than 32 features as many as make 512 in all, but no
        less than 4. None encodes none.

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

    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        Features that are categories: names of columns, their numbers, or a mask.
        "from_dtype": those columns of a DataFrame that hold strings or have a
        categorical dtype. Each category becomes a column, the 63 most frequent of a
        feature, and one for the rest; a missing value is a category.

    sampler : imbalanced-learn sampler, default=None
        Resamples the training rows of each member, and nothing else: rows held out
        keep their natural shares and never lend themselves to synthetic ones. With an
        under-sampler each member has its own balanced draw, which is balanced bagging
        in one network. Cloned, with a seed that follows ``random_state``.

    cv : int, float, splitter, iterable, "auto" or None, default="auto"
        Who is held out from whom. An int: that many stratified, shuffled folds and as
        many committee members. "auto": 10 up to 4,000 rows, otherwise and in
        ``partial_fit`` 5. A float: one member, this share of the rows held out.
        A scikit-learn splitter or an iterable of (train, test) index pairs: one
        member per split. None: one member, nothing held out, hence no adaptation and
        no early stopping. With fewer rare rows than folds there are fewer folds.

    optimizer : str or dict, default="adam"
        Name of a Keras optimizer, or its Keras configuration, such as
        ``{"class_name": "sgd", "config": {"momentum": 0.9}}``.

    learning_rate : float, default=0.04
        Learning rate for the first half of ``max_epochs``; in the second it falls to 0
        along a cosine. It is shared out among the weights by the width of their layer,
        so that the same value suits any.

    batch_size : int or "auto", default="auto"
        Rows per step and member. "auto" grows with the number of rows, from 64 to
        256, and to 512 above 24,000, and lets an epoch pass over few rows as often as
        it takes to make 4 steps.

    max_epochs : int or "auto", default="auto"
        Greatest number of epochs. "auto": 24, or over many rows as few as pass over
        96,000, but no less than 6. An epoch is one pass over the training rows, or
        several as said under ``batch_size``.

    early_stopping : bool, default=True
        Whether to stop when the score no longer rises. The weights of the best epoch
        are kept in either case.

    n_iter_no_change : int or "auto", default="auto"
        Epochs without a rise of the smoothed score after which training stops; equal
        scores may still change which epoch is kept. "auto": a fifth of the epochs,
        but no less than 5.

    threshold : "tune", float, callable or None, default="tune"
        Probability of the rare class above which a row is predicted rare, with two
        classes. "tune": the one that is best out of fold for ``scoring``, or for F1 if
        ``scoring`` does not depend on it, where calibrated probabilities count beside
        the labels, as if they were 500 rare rows more; and 0.5 where neither class is
        rare, both having at least 45 % of the weight. A float in (0, 1) fixes it. A
        callable is a criterion of :mod:`skadaptive.thresholds`, whatever the shares.
        None: the most probable class, 0.5, as always with more than two.

    calibration : {"sigmoid", "isotonic"} or None, default="sigmoid"
        How probabilities are put right after focal loss, Dice, weights and resampling,
        on out-of-fold logits at the natural shares. Increasing, so that the ranking by
        each member stays; "isotonic" needs some hundred rare rows.

    warm_start : bool, default=False
        Whether ``fit`` goes on from the network of the last fit, as long as data and
        layers suit it: with its scaling and intervals (``n_bins``), optimizer, mix and
        held-out rows, for ``max_epochs`` more. If no new epoch is better than what it
        began with, that is kept. Rows held out stay so only if ``X`` and ``y`` are the
        same as before, or all new; with old rows among new ones give ``cv`` the splits.

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

    feature_encoder_ : ColumnTransformer or None
        Turns a table with categories into one of numbers; None if there are none.

    history_ : dict of list
        One value per epoch: ``epoch`` (from 1), ``loss``, ``score`` (NaN if nothing is
        held out), ``weight_cross_entropy``, ``weight_focal``, ``weight_dice``. With
        ``warm_start`` and ``partial_fit`` it grows from call to call.

    loss_weights_ : ndarray of shape (3,)
        Mix of the best epoch.

    n_iter_ : int
        Number of epochs run, in all calls.

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
        0, and for all rows where validation data are given. After ``partial_fit``
        that of the last chunk.

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

    A missing value counts as the median, beside a flag that tells the network, if the
    feature has missing values in ``fit``. Features with heavy tails come to the network
    twice, bent and as normal scores, and each feature also as its piecewise linear
    encoding [3]_. Where the middle half of a feature, by size, is one value, as of an
    amount that is mostly 0, the others have a scale and intervals of their own. Of more
    than 200,000 rows so many, drawn at random, tell quantiles.

    Inputs begin alike and are learnt faster the more of the class their feature alone
    explains in a member's training rows, as trees choose features and networks do not
    [5]_; in ``partial_fit`` all are learnt alike.

    What four steps move the weights of a hidden layer by is mostly in a few directions.
    It is made flat, half of it in the first layer: its singular values come near to
    each other while its norm stays, whatever the optimizer, as Muon does for momentum
    [7]_. These weights also shrink by .1 of the learning rate in each step.

    The weights that are judged after each epoch, kept and predict are a running average
    over the latest three or so [4]_. Where there are 12 epochs or more, those three
    before and after the best predict with it, by the mean of their logits [6]_. The
    committee's probabilities are the mean of its members'.

    Small data that fit in one batch are trained in float64, others in float32.

    References
    ----------
    .. [1] T.-Y. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017.
    .. [2] F. Milletari et al., "V-Net: Fully Convolutional Neural Networks for
       Volumetric Medical Image Segmentation", 3DV 2016.
    .. [3] Y. Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep
       Learning", NeurIPS 2022.
    .. [4] P. Izmailov et al., "Averaging Weights Leads to Wider Optima and Better
       Generalization", UAI 2018.
    .. [5] L. Grinsztajn, E. Oyallon and G. Varoquaux, "Why do tree-based models still
       outperform deep learning on typical tabular data?", NeurIPS 2022.
    .. [6] G. Huang et al., "Snapshot Ensembles: Train 1, Get M for Free", ICLR 2017.
    .. [7] K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks",
       2024.

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
        "n_bins": [
            StrOptions({"auto"}),
            Interval(Integral, 3, None, closed="left"),
            None,
        ],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "gamma": [Interval(Real, 0, 100, closed="both")],
        "alpha": [Interval(Real, 0, 1, closed="both"), "array-like"],
        "loss_weights": ["array-like"],
        "adaptation": [StrOptions(set(adaptation.RULES)), callable],
        "adaptation_rate": [Interval(Real, 0, 1, closed="both")],
        "scoring": [StrOptions(set(get_scorer_names())), callable],
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
            StrOptions({"tune"}),
            Interval(Real, 0, 1, closed="neither"),
            callable,
            None,
        ],
        "calibration": [StrOptions(set(CALIBRATIONS)), None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_layer_sizes=(64, 64, 64),
        activation="silu",
        n_bins="auto",
        dropout=0.0,
        gamma=2.0,
        alpha=0.75,
        loss_weights=(0.4, 0.4, 0.2),
        adaptation="performance",
        adaptation_rate=0.1,
        scoring="f1",
        class_weight=None,
        categorical_features="from_dtype",
        sampler=None,
        cv="auto",
        optimizer="adam",
        learning_rate=0.04,
        batch_size="auto",
        max_epochs="auto",
        early_stopping=True,
        n_iter_no_change="auto",
        threshold="tune",
        calibration="sigmoid",
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
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
            Numbers on any scale, NaN where missing, or categories; see
            ``categorical_features``.
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

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Learn from a chunk of data that arrive in chunks, or do not fit in memory.

        One pass over the chunk, which begins where the last call, of ``fit`` or of
        ``partial_fit``, ended: with its weights, optimizer state and mix. A part of
        the chunk is held out from each member as ``cv`` says, an int, a float or None;
        a row that comes again in a later chunk is held out from the same member again.
        (``fit`` holds out otherwise: rows of an earlier ``fit`` that come again in a
        chunk, or the other way round with ``warm_start``, are judged by members that
        have seen them.) The score of those rows moves the mix. Those of the latest
        chunks, as many as make up half of the rows so far but 100,000 at most,
        calibrate and tune the threshold. Medians and interquartile ranges are averages
        over the chunks.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
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

        Raises
        ------
        ValueError
            For invalid parameters or data, a label that is not in ``classes``, and if
            training diverges. The estimator is then as before the call.
        ImportError
            If TensorFlow is not installed.

        Notes
        -----
        The chunks should come in random order, and the first should have rows of every
        class: it says which class is rare, which features have missing values or heavy
        tails, and what the categories are. A ``sampler`` needs chunks with as many rows
        of each class as it needs; the part of a member that is all of one class is
        trained on as it is. ``max_epochs``, ``early_stopping`` and
        ``warm_start`` are not used. The learning rate begins with ``learning_rate``
        and falls with the square root of the steps, to a quarter.
        """
        with _as_it_was_on_error(self):
            self._partial_fit(X, y, classes, sample_weight)
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
            With two classes the log-odds of ``classes_[1]`` less those of the
            threshold, positive exactly where ``predict`` says ``classes_[1]``.
            Otherwise the logarithms of probability times class weight.
        """
        decision = self._logits(X) + self._decision_offset
        return decision[:, 0] if decision.shape[1] == 1 else decision

    @property
    def model_(self):
        """The committee as a new ``keras.Model``: features → probabilities.

        Categories come to it as numbers, the columns that they become after the other
        features: ``feature_encoder_.transform(X)``.

        Built of Keras's own layers at each access, float32 but for the scaling. Keras's
        ``predict`` rounds its input to float32 before the model sees it; for features
        of more than seven digits, such as time stamps, call the model itself.
        """
        check_is_fitted(self)
        return import_training_module("network").build_model(self._committee)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _logits(self, X):
        check_is_fitted(self)
        return self._committee.logits(self._as_numbers(X))


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
