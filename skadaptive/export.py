"""Fitted classifiers as ONNX graphs, for programs without Python.

``docs/export.md`` has the whole way from a fit to a server.
"""

from collections import Counter
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from ._export.classifiers import probabilities
from ._export.decision import decision_properties
from ._export.graph import Graph
from ._export.table import Numbers, RawColumn, Table
from ._packages import require
from ._typing import Estimator

__all__ = ["register_onnx_converter", "to_onnx"]


def to_onnx(estimator: Estimator) -> Any:
    """Turn a fitted classifier into one ONNX graph, from raw columns to probabilities.

    Parameters
    ----------
    estimator : classifier or pipeline
        Fitted: an :class:`AdaptiveHybridClassifier`, or scikit-learn's
        ``LogisticRegression``, ``RandomForestClassifier``,
        ``HistGradientBoostingClassifier`` or ``MLPClassifier``. It may stand in a
        pipeline of scikit-learn or imbalanced-learn behind a ``ColumnTransformer``, a
        ``OneHotEncoder``, a ``SimpleImputer``, scalers and samplers, in a search, and
        inside a ``FixedThresholdClassifier``, a ``TunedThresholdClassifierCV`` or a
        ``FrozenEstimator``. :func:`skadaptive.contenders.table_pipeline` makes such
        pipelines, and ``best_`` of a comparison is one.

    Returns
    -------
    onnx.ModelProto
        The model, of opset 18. ``model.SerializeToString()`` are the bytes of a file.

        If the estimator was fitted on named columns, the graph has one input for each,
        of its name and of shape (n, 1): float32 for numbers, where NaN is missing, and
        string for categories, where "" is missing. Columns that the estimator does not
        use are inputs, too. Without names it has one input ``X`` of shape
        (n, n_features), float32; or, if a column holds texts, inputs ``x0``, ``x1``
        and so on.

        The one output, ``probabilities``, is float32 of shape (n, n_classes), with
        columns in the order of ``classes_``. ``metadata_props`` of the model has, as
        JSON, ``classes``; with two classes also ``rare_class`` and ``threshold``, the
        probability of the rare class above which it is predicted; with more classes
        ``class_weights``, by which the probabilities are multiplied before the greatest
        is chosen.

    Raises
    ------
    ImportError
        If onnx is not installed.
    ValueError
        If the estimator, or a part of its pipeline, is none of these, if it reads
        dates or free text, or if it knows a single class.
    NotFittedError
        If the estimator is not fitted.

    Notes
    -----
    Under onnxruntime the probabilities agree with ``predict_proba`` to 1e-5 where the
    numbers are exact in float32. Other numbers are rounded to float32 when they enter
    the graph, and can then be on the other side of a threshold of a tree or on another
    place of a step of an isotonic calibration. ``docs/export.md`` has figures.

    A graph does not check its input. A category that was not seen in the training
    counts as it does in ``predict_proba``, and is no category where that is an error.
    Infinite numbers, which ``AdaptiveHybridClassifier`` refuses, count as very large
    ones.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skadaptive import to_onnx
    >>> from skadaptive.datasets import load_rare
    >>> X, y = load_rare("breast_cancer", return_X_y=True, as_frame=True)
    >>> model = to_onnx(LogisticRegression(max_iter=10_000).fit(X, y))
    >>> [column.name for column in model.graph.input][:2]
    ['mean radius', 'mean texture']
    >>> {entry.key: entry.value for entry in model.metadata_props}
    {'classes': '[0, 1]', 'rare_class': '1', 'threshold': '0.5'}
    """
    require("onnx", purpose="An ONNX graph", extra="onnx")
    is_class = isinstance(estimator, type)
    if is_class or not hasattr(estimator, "fit") or not is_classifier(estimator):
        raise ValueError(
            f"Only fitted classifiers can be exported; got {estimator!r}. Pass a "
            "classifier, or a pipeline that ends in one."
        )
    check_is_fitted(estimator)
    _check_classes(estimator)
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        graph, proba = _from_unnamed(estimator)
    else:
        graph, proba = _from_named(estimator, [str(name) for name in names])
    n_classes = len(estimator.classes_)
    rounded = graph.cast(proba, np.float32)
    model = graph.model(rounded, n_classes, "probabilities")
    from onnx import helper

    helper.set_model_props(model, decision_properties(estimator))
    return model


def _check_classes(estimator: Estimator) -> None:
    """Refuse what predicts nothing, or nothing else than one class."""
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        raise ValueError(
            f"This {type(estimator).__name__} has no classes_, although it is fitted. "
            "Fit a search with refit=True, or pass the classifier inside."
        )
    if len(classes) < 2:
        raise ValueError(
            f"This {type(estimator).__name__} was fitted to the single class "
            f"{classes.tolist()[0]!r}; a graph needs two or more. Fit it to rows of "
            "several."
        )


def _from_named(estimator: Estimator, names: list[str]) -> tuple[Graph, str]:
    """The graph with an input for each column, and its output."""
    if "" in names:
        raise ValueError(
            "A column has the empty name, which an input of a graph cannot have. Give "
            "it a name, and fit again."
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(
            f"Several columns have the name {twice[0]!r}, but each input of a graph "
            "needs a name of its own. Rename them, and fit again."
        )
    graph = Graph(inputs=dict.fromkeys(names, (None, 1)))
    return graph, probabilities(estimator, Table(graph, [*map(RawColumn, names)]))


def _from_unnamed(estimator: Estimator) -> tuple[Graph, str]:
    """The graph of an estimator whose columns have no names, and its output."""
    n_columns = estimator.n_features_in_
    graph, proba = _from_named(estimator, [f"x{i}" for i in range(n_columns)])
    if any(kind == "text" for kind, _ in graph.inputs.values()):
        return graph, proba
    graph = Graph(inputs={"X": ("number", n_columns)})
    columns = Numbers(graph.cast("X", float), n_columns, is_float32=True)
    return graph, probabilities(estimator, Table(graph, [columns]))


def register_onnx_converter() -> None:
    """Register a converter of ``AdaptiveHybridClassifier`` with skl2onnx.

    ``skl2onnx.to_onnx`` then converts pipelines in which the classifier stands behind
    any of the transformers that skl2onnx knows. The classifier must get numbers alone:
    categories have to be encoded before it. Prefer :func:`to_onnx` where it can: it
    takes raw tables, and scales in float64 where skl2onnx scales in float32.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    Notes
    -----
    The converted classifier has the two outputs that skl2onnx gives classifiers:
    labels, which follow ``threshold_``, and probabilities, in a ZipMap unless the
    option ``zipmap`` is False.

    Examples
    --------
    >>> from skadaptive import register_onnx_converter
    >>> register_onnx_converter()  # then skl2onnx.to_onnx(pipeline, X[:1])
    """
    require("skl2onnx", purpose="The converter", extra="onnx")
    from ._export.converter import register

    register()
