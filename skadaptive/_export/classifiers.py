"""Classifiers as nodes of a graph, inside pipelines and wrappers.

skl2onnx has converters of scikit-learn's classifiers, too. They are not used, because
release 1.20 computes the networks and trees of raw float32 columns in float32, rounds
the thresholds of boosted trees to the nearest float32, which can be the value of a row,
ignores which way missing values go in a forest, and fails on boosted trees with onnx
1.23.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._typing import Estimator, FloatArray, IntArray
from ..classifier import AdaptiveHybridClassifier
from .committee import committee_probabilities
from .graph import Graph
from .preparation import refuse, through_steps, transformed
from .table import Table

# Significant bits of the mean of two float32 numbers, one up to 32,768 times the other.
_MEAN_BITS = 40

_THRESHOLDS = (FixedThresholdClassifier, TunedThresholdClassifierCV)


def probabilities(classifier: Estimator, table: Table) -> str:
    """Probabilities of the classes, as ``predict_proba`` gives them.

    Parameters
    ----------
    classifier : classifier or pipeline
        Fitted; it may be in a search, or have a threshold around it.
    table : Table

    Returns
    -------
    str
        A float64 tensor of shape (n, n_classes).

    Raises
    ------
    ValueError
        If it is none of those that can be exported.
    """
    if isinstance(classifier, FrozenEstimator):
        return probabilities(classifier.estimator, table)
    check_is_fitted(classifier)
    if isinstance(classifier, _THRESHOLDS):
        return probabilities(classifier.estimator_, table)
    if hasattr(classifier, "best_estimator_"):
        return probabilities(classifier.best_estimator_, table)
    if isinstance(classifier, Pipeline):
        table = through_steps(classifier.steps[:-1], table)
        return probabilities(classifier.steps[-1][1], table)
    if isinstance(classifier, AdaptiveHybridClassifier):
        return _of_committee(classifier, table)
    convert = _CONVERTED.get(type(classifier))
    if convert is None:
        refuse(
            f"The classifier {type(classifier).__name__}",
            "AdaptiveHybridClassifier, "
            + ", ".join(sorted(kind.__name__ for kind in _CONVERTED)),
        )
    return convert(classifier, table)


def _of_committee(classifier: AdaptiveHybridClassifier, table: Table) -> str:
    if classifier.feature_encoder_ is not None:
        table = transformed(classifier.feature_encoder_, table)
    return committee_probabilities(table.graph, classifier._committee, table.numbers())


# --------------------------------------------------------------------- linear, networks


def _of_linear(classifier: LogisticRegression, table: Table) -> str:
    graph, n_classes = table.graph, len(classifier.classes_)
    logits = _layer(graph, table.numbers(), classifier.coef_.T, classifier.intercept_)
    chosen = getattr(classifier, "multi_class", "auto")
    by_class = chosen == "ovr" or (
        chosen in ("auto", "deprecated")
        and (n_classes == 2 or classifier.solver == "liblinear")
    )
    if len(classifier.coef_) == 1:
        # The softmax of -d and d is the logistic function of 2 d.
        logits = logits if by_class else graph.op("Mul", logits, 2.0)
        return graph.both_classes(logits)
    if not by_class:
        return graph.op("Softmax", logits, axis=1)
    each = graph.op("Sigmoid", logits)
    return graph.op("Div", each, graph.op("ReduceSum", each, [1], keepdims=1))


def _of_network(classifier: MLPClassifier, table: Table) -> str:
    if classifier.out_activation_ == "logistic" and classifier.n_outputs_ > 1:
        refuse("An MLPClassifier of several labels per row", "one of a single label")
    graph, x = table.graph, table.numbers()
    hidden = _MLP_ACTIVATIONS[classifier.activation]
    layers = zip(classifier.coefs_, classifier.intercepts_, strict=True)
    for index, (coefficients, intercepts) in enumerate(layers):
        if index and hidden:
            x = graph.op(hidden, x)
        x = _layer(graph, x, coefficients, intercepts)
    if classifier.out_activation_ == "softmax":
        return graph.op("Softmax", x, axis=1)
    return graph.both_classes(x)


_MLP_ACTIVATIONS = {
    "identity": None,
    "logistic": "Sigmoid",
    "relu": "Relu",
    "tanh": "Tanh",
}


def _layer(graph: Graph, x: str, coefficients: FloatArray, intercept: Any) -> str:
    product = graph.op("MatMul", x, np.asarray(coefficients, float))
    return graph.op("Add", product, np.asarray(intercept, float))


# ------------------------------------------------------------------------------- trees


@dataclass
class _Trees:
    """Nodes of many trees, as the operator TreeEnsembleRegressor takes them.

    Attributes
    ----------
    columns : dict of str to list of ndarray
        Attributes of the nodes and of the leaves, one array per tree.
    n_trees : int
    """

    columns: dict[str, list[Any]] = field(default_factory=dict)
    n_trees: int = 0

    def add(
        self,
        feature: IntArray,
        threshold: FloatArray,
        children: tuple[IntArray, IntArray],
        missing_left: IntArray,
        is_leaf: Any,
        values: FloatArray,
        target: int | None = None,
    ) -> None:
        """Add a tree.

        Parameters
        ----------
        feature, threshold, missing_left : ndarray of shape (n_nodes,)
            A row goes left if its feature is at most the threshold, or missing where
            ``missing_left`` says so.
        children : tuple of ndarray of shape (n_nodes,)
            Left and right child.
        is_leaf : ndarray of shape (n_nodes,)
        values : ndarray of shape (n_nodes, n_targets)
            What a leaf adds to each target.
        target : int, default=None
            The one target of a tree whose values have one column.
        """
        numbers, leaves = np.arange(len(feature)), np.flatnonzero(is_leaf)
        left, right = (np.where(is_leaf, 0, child) for child in children)
        n_targets = values.shape[1]
        targets = np.arange(n_targets) if target is None else np.array([target])
        made = {
            "nodes_treeids": np.full(len(numbers), self.n_trees),
            "nodes_nodeids": numbers,
            "nodes_featureids": np.where(is_leaf, 0, feature),
            "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LEQ"),
            "nodes_values_as_tensor": np.where(is_leaf, 0.0, threshold),
            "nodes_truenodeids": left,
            "nodes_falsenodeids": right,
            "nodes_missing_value_tracks_true": np.where(is_leaf, 0, missing_left),
            "target_treeids": np.full(leaves.size * n_targets, self.n_trees),
            "target_nodeids": np.repeat(leaves, n_targets),
            "target_ids": np.tile(targets, leaves.size),
            "target_weights_as_tensor": values[leaves].ravel().astype(float),
        }
        for name, values_of_tree in made.items():
            self.columns.setdefault(name, []).append(values_of_tree)
        self.n_trees += 1

    def sums(self, graph: Graph, x: str, base: FloatArray) -> str:
        """Base values and the sums over the trees, float64 of shape (n, n_targets)."""
        from onnx import numpy_helper

        attributes: dict[str, Any] = {}
        for name, columns in self.columns.items():
            column = np.concatenate(columns)
            if name.endswith("_as_tensor"):
                attributes[name] = numpy_helper.from_array(column, name)
            else:
                attributes[name] = column.tolist()
        total = graph.op(
            "ai.onnx.ml:TreeEnsembleRegressor",
            x,
            n_targets=len(base),
            aggregate_function="SUM",
            post_transform="NONE",
            **attributes,
        )
        # The operator rounds its sums to float32.
        return graph.op("Add", graph.cast(total, float), base)


def _of_forest(classifier: RandomForestClassifier, table: Table) -> str:
    if classifier.n_outputs_ > 1:
        refuse("A forest of several outputs", "one of a single output")
    graph, n_classes, trees = table.graph, len(classifier.classes_), _Trees()
    for fitted in classifier.estimators_:
        tree = fitted.tree_
        shares = tree.value[:, 0, :]
        shares = (
            shares / shares.sum(axis=1, keepdims=True) / len(classifier.estimators_)
        )
        trees.add(
            tree.feature,
            tree.threshold,
            (tree.children_left, tree.children_right),
            tree.missing_go_to_left,
            tree.children_left < 0,
            # The share of the first of two classes is what is left.
            shares[:, 1:] if n_classes == 2 else shares,
        )
    # scikit-learn compares float32 with thresholds in float64.
    x = graph.cast(graph.cast(table.numbers(), np.float32), float)
    if n_classes != 2:
        return trees.sums(graph, x, np.zeros(n_classes))
    second = trees.sums(graph, x, np.zeros(1))
    return graph.joined([graph.op("Sub", 1.0, second), second])


def _of_boosting(classifier: HistGradientBoostingClassifier, table: Table) -> str:
    if classifier.is_categorical_ is not None:
        refuse(
            "HistGradientBoostingClassifier with categorical features of its own",
            "one behind a OneHotEncoder, such as skadaptive.contenders.table_pipeline "
            "has",
        )
    graph, trees, is_float32 = table.graph, _Trees(), np.array(table.are_float32)
    for iteration in classifier._predictors:
        for target, predictor in enumerate(iteration):
            nodes = predictor.nodes
            feature, threshold = nodes["feature_idx"], nodes["num_threshold"]
            rounded = _rounded_thresholds(threshold)
            trees.add(
                feature,
                np.where(is_float32[feature], rounded, threshold),
                (nodes["left"], nodes["right"]),
                nodes["missing_go_to_left"],
                nodes["is_leaf"].astype(bool),
                nodes["value"][:, None],
                target,
            )
    base = np.ravel(classifier._baseline_prediction).astype(float)
    logits = trees.sums(graph, table.numbers(), base)
    if len(base) > 1:
        return graph.op("Softmax", logits, axis=1)
    return graph.both_classes(logits)


def _rounded_thresholds(thresholds: FloatArray) -> FloatArray:
    """Thresholds for numbers that were rounded to float32.

    The mean of two neighbouring values that are exact in float32 has few significant
    bits. It is rounded down, which compares exact numbers as before. Any other
    threshold comes from numbers such as 0.1, and may be one of them, so that it has to
    be rounded as they are.
    """
    # scikit-learn sets +inf apart by 1e300, and missing values alone by +inf.
    largest = np.finfo(np.float32).max
    finite = np.clip(thresholds, -largest, largest)
    nearest = np.where(np.isinf(thresholds), thresholds, finite).astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    bits = np.ldexp(np.frexp(thresholds)[0], _MEAN_BITS)
    has_few_bits = bits == np.floor(bits)
    return np.where(has_few_bits & (nearest > thresholds), below, nearest).astype(float)


_CONVERTED: dict[type, Callable[[Any, Table], str]] = {
    HistGradientBoostingClassifier: _of_boosting,
    LogisticRegression: _of_linear,
    MLPClassifier: _of_network,
    RandomForestClassifier: _of_forest,
}
