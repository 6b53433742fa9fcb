"""The default contenders of a comparison.

Each takes a raw table with categories, dates and missing values. The preparation is
part of its pipeline, so it is learnt from the training rows of each fold alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from numbers import Integral
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.validation import check_is_fitted

from ._features.categories import categorical_columns, one_hot
from ._features.text import FittedTexts, TextEncoder, text_columns
from ._features.values import column_title, inferred_kind, no_number
from ._io.columns import (
    ColumnFormat,
    ColumnPart,
    Notes,
    convert_column,
    is_text,
    plain_types,
)
from ._messages import shown
from ._sklearn_compat import effective_n_threads, safe_indexing
from ._tuned_trees import TunedTrees
from ._typing import ArrayLike, Estimator, FloatArray, Label, Table
from .classifier import AdaptiveHybridClassifier

OURS = "AdaptiveHybridClassifier"

# Rows of a made table, enough for a column of free text to be taken for one.
_N_MADE = 20
# Kinds of objects that are dates, by pandas's names.
_TIMES = ("date", "datetime", "datetime64")

_QUICK = (
    OURS,
    "logistic regression",
    "random forest",
    "histogram boosting",
    "MLPClassifier",
    "Keras MLP (cross-entropy)",
    "Keras MLP (SMOTE)",
)


def default_contenders(
    X: Table, *, quick: bool = False, random_state: int | None = None
) -> dict[str, Estimator]:
    """Make classifiers by name, each of which takes the table as it is.

    "Keras MLP" is one network with hidden layers of 64 and 32 units, trained by this
    package. It holds out a fifth of the rows for early stopping and the threshold, and
    has no committee, piecewise linear encoding or calibration. All variants share
    this, so that the loss or the sampler alone makes the difference. The samplers get
    training rows only.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_samples, n_features)
        The table, of which only the dtypes are used, and which columns hold free text.
    quick : bool, default=False
        Whether only the quick third of them is returned.
    random_state : int or None, default=None
        The seed of the contenders. An int makes the results reproducible.

    Returns
    -------
    dict of str to classifier
        The contenders. XGBoost, LightGBM and CatBoost are among them where they are
        installed. CatBoost takes categories and missing values as they are.

    See Also
    --------
    tuned_contenders : Boosted trees with tuned parameters.
    """
    from imblearn.combine import SMOTETomek
    from imblearn.ensemble import (
        BalancedBaggingClassifier,
        BalancedRandomForestClassifier,
    )
    from imblearn.over_sampling import ADASYN, SMOTE, RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    seed: dict[str, Any] = {"random_state": random_state}

    def network(**parameters: Any) -> Estimator:
        return raw_pipeline(X, _network(**seed, **parameters))

    cross_entropy, focal = (1, 0, 0), (0, 1, 0)
    samplers = (RandomUnderSampler, RandomOverSampler, SMOTE, ADASYN, SMOTETomek)
    made = {
        OURS: raw_pipeline(X, AdaptiveHybridClassifier(**seed)),
        "logistic regression": table_pipeline(LogisticRegression(max_iter=1000)),
        "random forest": table_pipeline(RandomForestClassifier(**seed), scale=False),
        "balanced random forest": table_pipeline(
            BalancedRandomForestClassifier(**seed), scale=False
        ),
        **{
            name: _prepared_trees(X, trees)
            for name, trees in _installed_trees(random_state).items()
        },
    }
    if find_spec("xgboost"):
        made["XGBoost (scale_pos_weight)"] = _prepared_trees(
            X, XGBoost(balanced=True, **seed)
        )
    made |= {
        "MLPClassifier": table_pipeline(MLPClassifier(**seed)),
        "Keras MLP (cross-entropy)": network(loss_weights=cross_entropy),
        "Keras MLP (balanced class weights)": network(
            loss_weights=cross_entropy, class_weight="balanced"
        ),
        "Keras MLP (focal loss)": network(loss_weights=focal, alpha=0.25),
        "Keras MLP (focal loss and class weights)": network(
            loss_weights=focal, alpha=0.25, class_weight="balanced"
        ),
        "Keras MLP (static hybrid)": network(adaptation_rate=0),
        "Keras MLP (hybrid by lookup)": network(adaptation="lookup"),
        "Keras MLP (adaptive hybrid)": network(),
    }
    for sampler in samplers:
        # The table is prepared first, because synthetic rows need complete numbers.
        made[f"Keras MLP ({sampler.__name__})"] = table_pipeline(
            _network(loss_weights=cross_entropy, sampler=sampler(), **seed)
        )
    bagged = _network(loss_weights=cross_entropy, cv=None, threshold=None, **seed)
    made["Keras MLP (balanced bagging)"] = table_pipeline(
        BalancedBaggingClassifier(bagged, **seed)
    )
    return {name: made[name] for name in _QUICK} if quick else made


def tuned_contenders(
    X: Table,
    n_trials: int = 20,
    *,
    scoring: str = "average_precision",
    cv: Any = 3,
    pos_label: Label | None = None,
    random_state: int | None = None,
) -> dict[str, Estimator]:
    """Boosted trees whose parameters are tuned on inner folds, by name.

    Each fit tries the default parameters of the library and ``n_trials - 1`` random
    settings on the inner folds of its own training rows, and fits the best of them to
    all of these. The preparation of the table is fitted once, before the inner folds;
    it takes no labels.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_samples, n_features)
        The table, of which only the dtypes are used, and which columns hold free text.
    n_trials : int, default=20
        Number of settings, from 2 on. More of them find better ones, and take as much
        more time.
    scoring : str, default="average_precision"
        The score that chooses: "average_precision", "roc_auc", "brier_score",
        "neg_brier_score" or "neg_log_loss". Any other name stands for average
        precision, because a measure of predicted labels depends on a threshold, which
        is tuned later.
    cv : int or splitter, default=3
        An int makes that many stratified, shuffled folds, which keep groups together.
        ``TimeSeriesSplit`` suits rows in the order of time.
    pos_label : label, default=None
        The rare class. None finds it as ``AdaptiveHybridClassifier`` does.
    random_state : int or None, default=None
        The seed of the trees, the settings and the inner folds.

    Returns
    -------
    dict of str to classifier
        "histogram boosting (tuned)", and "XGBoost (tuned)", "LightGBM (tuned)" and
        "CatBoost (tuned)" where these are installed.

    Raises
    ------
    ValueError
        If ``n_trials`` is no int from 2 on.
    """
    if isinstance(n_trials, bool) or not isinstance(n_trials, Integral) or n_trials < 2:
        raise ValueError(
            "The number of settings to try must be an int from 2 on, of which the "
            f"first is the library's defaults; got {shown(n_trials)}."
        )
    options: dict[str, Any] = {"scoring": scoring, "cv": cv, "pos_label": pos_label}
    options |= {"n_trials": int(n_trials), "random_state": random_state}
    return {
        f"{name} (tuned)": _prepared_trees(X, trees, TunedTrees(trees, **options))
        for name, trees in _installed_trees(random_state).items()
    }


def _installed_trees(random_state: int | None) -> dict[str, Estimator]:
    """Boosted trees of each library that is installed, with default parameters."""
    seed: dict[str, Any] = {"random_state": random_state}
    made: dict[str, Estimator] = {
        "histogram boosting": HistGradientBoostingClassifier(**seed)
    }
    if find_spec("xgboost"):
        made["XGBoost"] = XGBoost(**seed)
    if find_spec("lightgbm"):
        from lightgbm import LGBMClassifier

        # Its default is a thread for every core, however many fits run at a time; with
        # 0 it asks OpenMP, as the others do.
        made["LightGBM"] = LGBMClassifier(n_jobs=0, verbose=-1, **seed)
    if find_spec("catboost"):
        made["CatBoost"] = CatBoost(**seed)
    return made


def _prepared_trees(
    X: Table, trees: Estimator, tuned: Estimator | None = None
) -> Estimator:
    """Trees, or a search around them, after the preparation that they need."""
    classifier = trees if tuned is None else tuned
    if isinstance(trees, CatBoost):
        return raw_pipeline(X, classifier)
    return table_pipeline(classifier, impute=False, scale=False)


def _network(**parameters: Any) -> AdaptiveHybridClassifier:
    defaults = {
        "hidden_layer_sizes": (64, 32),
        "activation": "relu",
        "n_bins": None,
        "cv": 0.2,
        "calibration": None,
    }
    return AdaptiveHybridClassifier(**{**defaults, **parameters})


# ------------------------------------------------------------------------ preparation


def table_pipeline(
    *steps: Estimator, impute: bool = True, scale: bool = True
) -> Estimator:
    """A pipeline that turns a table into numbers before other steps.

    Categories are one-hot encoded, in at most 64 columns per feature. Dates become days
    since 1970, year, month, day of the week and hour. A column is one of dates by its
    dtype in ``fit``; where it holds texts in later rows, these are read as ISO 8601, or
    in the format of the training that a model file has, and no other. Free texts, which
    have several words each and differ in nearly every row, become 30 columns: TF-IDF of
    their sequences of three and four characters, and truncated SVD.

    Parameters
    ----------
    *steps : estimators
        The classifier comes last. A sampler of imbalanced-learn may come before it.
    impute : bool, default=True
        Whether missing numbers become the median, with a column that says which were.
        Missing numbers remain NaN otherwise.
    scale : bool, default=True
        Whether columns are standardised in the end.

    Returns
    -------
    imblearn.pipeline.Pipeline
        The pipeline of the preparation and the steps.
    """
    from imblearn.pipeline import make_pipeline

    numbers: Any = FunctionTransformer(_checked_numbers, feature_names_out="one-to-one")
    dates = FunctionTransformer(_date_features)
    if impute:
        options = {"add_indicator": True, "keep_empty_features": True}
        numbers = make_pipeline(numbers, SimpleImputer(strategy="median", **options))
        dates = make_pipeline(dates, SimpleImputer(keep_empty_features=True))
    prepare = ColumnTransformer(
        [
            ("numbers", numbers, _number_columns),
            ("categories", one_hot(), _category_columns),
            ("dates", dates, _date_columns),
            ("texts", TextEncoder(), text_columns),
        ]
    )
    scaler = [StandardScaler()] if scale else []
    return make_pipeline(prepare, *scaler, *steps)


def raw_pipeline(X: Table, classifier: Estimator) -> Estimator:
    """A pipeline for a classifier that takes categories and missing values.

    It turns dates and free texts into numbers, as :func:`table_pipeline` does.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_samples, n_features)
        The table, of which only the dtypes are used, and which columns hold free text.
    classifier : estimator
        The classifier must take categories and missing values.

    Returns
    -------
    Pipeline or estimator
        The pipeline, or the classifier alone where X has neither dates nor free texts.
    """
    if not _date_columns(X) and not text_columns(X):
        return classifier
    from imblearn.pipeline import make_pipeline

    prepare = ColumnTransformer(
        [
            ("dates", FunctionTransformer(_date_features), _date_columns),
            ("texts", TextEncoder(), text_columns),
        ],
        remainder="passthrough",
    )
    # The output is a table, because an array would turn numbers among texts into texts.
    return make_pipeline(prepare.set_output(transform="pandas"), classifier)


@dataclass(frozen=True)
class RawPreparation:
    """What the preparation of :func:`raw_pipeline` has learnt, as plain data.

    Model files hold it.

    Parameters
    ----------
    names : list of str
        The columns of the table.
    dates : list of int
        The columns of dates.
    texts : list of int
        The columns of free texts.
    n_components : int
        The parameter of the encoder of texts.
    encoders : list of FittedTexts or None
        What was learnt of each column of texts; None for one that had no terms.
    """

    names: list[str]
    dates: list[int]
    texts: list[int]
    n_components: int
    encoders: list[FittedTexts | None]

    @classmethod
    def of(cls, pipeline: Estimator) -> RawPreparation | None:
        """Take what a fitted pipeline has learnt.

        Parameters
        ----------
        pipeline : Pipeline
            The fitted pipeline.

        Returns
        -------
        RawPreparation or None
            None if :func:`raw_pipeline` makes no such pipeline.
        """
        prepare = pipeline.steps[0][1]
        if len(pipeline.steps) != 2 or type(prepare) is not ColumnTransformer:
            return None
        steps = {name: (step, of) for name, step, of in prepare.transformers}
        if steps.keys() != {"dates", "texts"} or prepare.remainder != "passthrough":
            return None
        (dates, of_dates), (texts, of_texts) = steps["dates"], steps["texts"]
        if (
            getattr(dates, "func", None) is not _date_features
            or type(texts) is not TextEncoder
            or (of_dates, of_texts) != (_date_columns, text_columns)
            or not hasattr(prepare, "feature_names_in_")
        ):
            return None
        columns = {name: list(columns) for name, _, columns in prepare.transformers_}
        encoders: list[FittedTexts | None] = []
        if columns["texts"]:
            fitted = prepare.named_transformers_["texts"].encoders_
            encoders = [
                None if v is None else FittedTexts.of(v, svd) for v, svd in fitted
            ]
        return cls(
            list(prepare.feature_names_in_),
            columns["dates"],
            columns["texts"],
            texts.n_components,
            encoders,
        )

    def pipeline(self, classifier: Estimator) -> Estimator:
        """Make a fitted pipeline that prepares as the one that this came from.

        It is fitted to a small table of the same dates and texts, and gets what was
        learnt of the texts in the end. So it has whatever attributes the installed
        release of scikit-learn wants.

        Parameters
        ----------
        classifier : estimator
            The fitted classifier, the last step.

        Returns
        -------
        Pipeline
            The fitted pipeline.
        """
        values: dict[str, Any] = dict.fromkeys(self.names, np.zeros(_N_MADE))
        for i in self.dates:
            values[self.names[i]] = np.full(_N_MADE, np.datetime64(0, "s"))
        for i in self.texts:
            values[self.names[i]] = [f"text of row {row}" for row in range(_N_MADE)]
        X = pd.DataFrame(values)
        pipeline = raw_pipeline(X, classifier)
        prepare = pipeline.steps[0][1]
        prepare.set_params(texts__n_components=self.n_components).fit(X)
        if self.texts:
            texts = prepare.named_transformers_["texts"]
            texts.encoders_ = [
                (None, None) if fitted is None else fitted.encoders()
                for fitted in self.encoders
            ]
        # The made texts had other numbers of columns.
        start = 0
        made = prepare.transform(X.iloc[:1]).columns
        for name in prepare.output_indices_:
            width = sum(column.startswith(f"{name}__") for column in made)
            prepare.output_indices_[name] = slice(start, start + width)
            start += width
        return pipeline


def _number_columns(X: Any) -> list[int]:
    """Numeric columns but those without any value, which some trees do not accept."""
    others = {*categorical_columns(X), *_date_columns(X)}
    columns = [i for i in range(X.shape[1]) if i not in others]
    return [i for i in columns if pd.notna(safe_indexing(X, i, axis=1)).any()]


def _category_columns(X: Any) -> list[int]:
    """Columns of categories: all columns of texts but the free ones."""
    texts = set(text_columns(X))
    return [i for i in categorical_columns(X) if i not in texts]


def _checked_numbers(X: Any) -> Any:
    """Columns of numbers as they are, unless later rows hold others.

    An imputer or a scaler would refuse them without the name of the column.
    """
    if isinstance(X, pd.DataFrame):
        for name, column in X.items():
            if pd.api.types.is_numeric_dtype(column):
                continue
            found = no_number(column)
            if found is not None:
                raise ValueError(
                    f"{column_title(name)} must hold numbers, as in the rows of fit; "
                    f"got {found}"
                )
    return X


def _date_columns(X: Any) -> list[int]:
    if not isinstance(X, pd.DataFrame):
        return []
    is_date = pd.api.types.is_datetime64_any_dtype
    return [i for i, dtype in enumerate(X.dtypes) if is_date(dtype)]


def set_date_formats(model: Any, formats: dict[str, str | None]) -> None:
    """Let the preparation inside a fitted model read texts as dates of known formats.

    Parameters
    ----------
    model : estimator
        A pipeline of :func:`table_pipeline` or :func:`raw_pipeline`, or an estimator
        around one. Others stay as they are.
    formats : dict of str to str or None
        As of ``ColumnFormat``, by column; None for a column that came as dates.
    """
    if isinstance(model, FunctionTransformer):
        if model.func is _date_features:
            model.kw_args = {"formats": formats}
        return
    inside = [getattr(model, name, None) for name in ("estimator", "estimator_")]
    inside += [step for _, step in getattr(model, "steps", ())]
    inside += [step for _, step, _ in getattr(model, "transformers_", ())]
    for part in inside:
        if isinstance(part, BaseEstimator):
            set_date_formats(part, formats)


def _as_dates(column: pd.Series, formats: dict[str, str | None]) -> pd.Series:
    """Dates; texts and numbers are read by the format of the training alone.

    pandas would guess a format for each table anew, and with it which number is the
    day.
    """
    is_number = pd.api.types.is_numeric_dtype(column)
    if not is_number and (not is_text(column) or inferred_kind(column) in _TIMES):
        return pd.to_datetime(column, utc=True)
    known = formats.get(str(column.name))
    try:
        column = convert_column(
            plain_types(column, str(column.name)),
            str(column.name),
            ColumnFormat("date", date_format=known),
            Notes(),
            ColumnPart(0),  # which accepts no other format
        )
    except ValueError as error:
        example = known if known and "%" in known else "%Y-%m-%d"
        raise ValueError(
            f"{error} Or convert the column before: pd.to_datetime(X[{column.name!r}], "
            f"format={example!r}), with the format in which it is written."
        ) from None
    return pd.to_datetime(column, utc=True)


def _date_features(
    X: Any, formats: dict[str, str | None] | None = None
) -> pd.DataFrame:
    """Columns of numbers for columns of dates; NaN for a missing date."""
    X = X if isinstance(X, pd.DataFrame) else X.to_pandas()
    columns = {}
    for name, dates in X.items():
        dates = _as_dates(dates, formats or {})
        # In nanoseconds it would not go with dates after 2262, such as 9999-12-31.
        start = pd.Timestamp(0, tz="UTC").as_unit("s")
        columns[f"{name}_days"] = (dates - start).dt.days
        for part in ("year", "month", "day_of_week", "hour"):
            columns[f"{name}_{part}"] = getattr(dates.dt, part)
    return pd.DataFrame(columns, index=X.index).astype(float)


# ------------------------------------------------------------ trees of other libraries


class _ForeignTrees(ClassifierMixin, BaseEstimator):
    """Boosted trees of a library that wants labels from 0 on: any labels will do here.

    A subclass has ``_fit_trees`` and ``_as_input``.
    """

    classes_: np.ndarray
    booster_: Any

    def fit(
        self, X: Table, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Fit the trees to the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, which are numbers, or NaN where missing. CatBoost also takes a
            DataFrame with columns of strings and categories.
        y : array-like of shape (n_samples,)
            The class labels of the rows.
        sample_weight : array-like of shape (n_samples,), default=None
            The non-negative weights of the rows. None gives each row weight 1.

        Returns
        -------
        self
            The fitted classifier.
        """
        self.classes_, codes = np.unique(y, return_inverse=True)
        self._fit_trees(X, codes, sample_weight)
        return self

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
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

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
        return self.booster_.predict_proba(self._as_input(X))

    def _fit_trees(
        self, X: Table, codes: np.ndarray, sample_weight: ArrayLike | None
    ) -> None:
        raise NotImplementedError

    def _as_input(self, X: Table) -> Table:
        """The rows in the form that the library takes."""
        return X


class XGBoost(_ForeignTrees):
    """XGBClassifier that takes labels of any kind.

    Parameters
    ----------
    balanced : bool, default=False
        Whether ``scale_pos_weight`` is the weight of the class of index 0 in
        ``classes_`` over that of the class of index 1, among the rows of ``fit``.
        XGBoost's positive class is the class of index 1, whether or not it is the
        rare one. True needs two classes.
    random_state : int or None, default=None
        The seed of XGBoost.
    options : dict or None, default=None
        Further parameters of ``XGBClassifier``, such as ``{"max_depth": 3}``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    booster_ : xgboost.XGBClassifier
        The fitted classifier.
    """

    def __init__(
        self,
        balanced: bool = False,
        random_state: int | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.balanced = balanced
        self.random_state = random_state
        self.options = options

    def _fit_trees(
        self, X: Table, codes: np.ndarray, sample_weight: ArrayLike | None
    ) -> None:
        from xgboost import XGBClassifier

        options = {"random_state": self.random_state}
        if self.balanced:
            weight = None if sample_weight is None else np.asarray(sample_weight)
            totals = np.bincount(codes, weight)
            options["scale_pos_weight"] = totals[0] / totals[1]
        self.booster_ = XGBClassifier(**options | (self.options or {}))
        self.booster_.fit(X, codes, sample_weight=sample_weight)


class CatBoost(_ForeignTrees):
    """CatBoostClassifier that takes a table and labels as they are.

    Columns of strings and categories are CatBoost's own categorical features, of which
    a missing value is the category "". Missing numbers remain missing. CatBoost writes
    neither files nor lines, and takes as many threads as scikit-learn's trees would
    (``OMP_NUM_THREADS``).

    Parameters
    ----------
    random_state : int or None, default=None
        The seed of CatBoost.
    options : dict or None, default=None
        Further parameters of ``CatBoostClassifier``, such as ``{"depth": 3}``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    categories_ : list of int
        The columns of ``fit`` that held strings or categories.
    booster_ : catboost.CatBoostClassifier
        The fitted classifier.
    """

    def __init__(
        self, random_state: int | None = None, options: dict[str, Any] | None = None
    ) -> None:
        self.random_state = random_state
        self.options = options

    def _fit_trees(
        self, X: Table, codes: np.ndarray, sample_weight: ArrayLike | None
    ) -> None:
        from catboost import CatBoostClassifier

        self.categories_ = categorical_columns(X)
        options = {
            "random_state": self.random_state,
            "verbose": 0,
            "allow_writing_files": False,
            "thread_count": effective_n_threads(),
        }
        self.booster_ = CatBoostClassifier(**options | (self.options or {}))
        self.booster_.fit(
            self._as_input(X),
            codes,
            cat_features=self.categories_,
            sample_weight=sample_weight,
        )

    def _as_input(self, X: Table) -> Table:
        if not isinstance(X, pd.DataFrame):
            return np.asarray(X, dtype=float)
        columns = {}
        for i, (name, column) in enumerate(X.items()):
            if i in self.categories_:
                texts = column.astype(object).where(column.notna(), "").map(str)
                columns[name] = texts.astype(object)
            else:
                columns[name] = column.to_numpy(dtype=float, na_value=np.nan)
        return pd.DataFrame(columns, index=X.index)
