"""The converter by which skl2onnx exports an AdaptiveHybridClassifier in a pipeline."""

from typing import Any

import numpy as np

from ..classifier import AdaptiveHybridClassifier
from .committee import committee_probabilities
from .graph import OPSETS, Graph


def register() -> None:
    """Tell skl2onnx how to convert an AdaptiveHybridClassifier."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
    )

    update_registered_converter(
        AdaptiveHybridClassifier,
        "SkadaptiveAdaptiveHybridClassifier",
        calculate_linear_classifier_output_shapes,
        _convert,
        options={
            "nocl": [True, False],
            "output_class_labels": [False, True],
            "zipmap": [True, False, "columns"],
        },
    )


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes of a classifier to a graph of skl2onnx: label and probabilities."""
    from onnx import helper

    classifier = operator.raw_operator
    if classifier.feature_encoder_ is not None:
        raise ValueError(
            "This AdaptiveHybridClassifier encodes categories itself, and skl2onnx "
            "gives it numbers alone. Call skadaptive.to_onnx, which takes whole "
            "pipelines, or put a OneHotEncoder before it and fit again."
        )
    for domain, version in OPSETS.items():
        if container.target_opset_any_domain(domain) < version:
            raise ValueError(
                "An AdaptiveHybridClassifier needs opset "
                f"{version} or later of {domain or 'ai.onnx'}; got "
                f"{container.target_opset_any_domain(domain)}. Set target_opset."
            )
    graph = Graph(prefix=f"{scope.get_unique_operator_name('committee')}_")
    # Integers and float32 alike become float64.
    columns = [graph.cast(name, float) for name in operator.input_full_names]
    proba = committee_probabilities(graph, classifier._committee, graph.joined(columns))
    label = _predicted(graph, classifier, proba)
    to = helper.np_dtype_to_tensor_dtype(np.dtype(np.float32))
    if type(operator.outputs[1].type).__name__ == "DoubleTensorType":
        to = helper.np_dtype_to_tensor_dtype(np.dtype(float))
    proba = graph.op("Cast", proba, to=to)
    for tensor in graph.constants:
        container.initializers.append(tensor)
    for node in graph.nodes:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        container.add_node(
            node.op_type,
            list(node.input),
            list(node.output),
            op_domain=node.domain,
            op_version=OPSETS[node.domain],
            name=node.name,
            **attributes,
        )
    for made, output in zip((label, proba), operator.output_full_names, strict=True):
        container.add_node("Identity", made, output, name=f"{made}_out")


def _predicted(graph: Graph, classifier: AdaptiveHybridClassifier, proba: str) -> str:
    """Predicted labels, int64 or texts, of shape (n,)."""
    classes = np.asarray(classifier.classes_)
    if len(classes) == 2:
        rare = classifier._rare
        of_rare = graph.op("Gather", proba, rare, axis=1)
        is_rare = graph.op("Greater", of_rare, float(classifier.threshold_))
        index = graph.op("Where", is_rare, rare, 1 - rare)
    else:
        weighted = graph.op("Mul", proba, np.exp(classifier._decision_offset))
        index = graph.op("ArgMax", weighted, axis=1, keepdims=0)
    labels = classes if classes.dtype.kind in "OU" else classes.astype(np.int64)
    return graph.op("Gather", labels, index)
