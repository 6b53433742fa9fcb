"""AdaptiveHybridClassifier as plain arrays and JSON: schema 1.

Everything that predicts is stored, alone or in the pipeline that
:func:`~skadaptive.contenders.raw_pipeline` makes for dates and free texts, and in the
fixed threshold that a comparison puts around a model. The state of the training is not.

Reading makes new objects and sets what was learnt, by this package's own names. Those
of scikit-learn are fitted to a few made rows first, so that they have the attributes of
whatever release is installed. That is why such a file outlives its release.

The parts of a file::

    classifier      classes, names of the features, threshold, parameters, history
    networks        kernels and biases of all members, and their layout
    inputs          scaling, normal scores and piecewise linear encoding
    calibration     of the logits
    categories      levels of the categorical features
    preparation     dates and free texts: terms, their frequencies, SVD components
    fixed_threshold where the rare class or the threshold is not the classifier's own

A change to what is written raises ``SCHEMA`` if earlier releases would misread it.
Every release reads all schemas up to its own; ``tests/data`` holds files of each.
"""

import dataclasses
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline

from .._committee.calibration import (
    Calibration,
    IsotonicCalibration,
    SigmoidCalibration,
)
from .._committee.inference import Committee
from .._features.categories import FittedCategories
from .._features.piecewise import PiecewiseLinearEncoding
from .._features.scaling import RobustScaler
from .._features.text import FittedTexts
from .._features.transform import InputTransform
from .._typing import Estimator
from ..classifier import AdaptiveHybridClassifier
from ..contenders import RawPreparation
from .container import Parts
from .plain_values import from_plain, to_plain

#: Version of what is written.
SCHEMA = 1

# Attributes of a fitted classifier that are stored as they are.
_ATTRIBUTES = (
    "classes_",
    "n_features_in_",
    "threshold_",
    "history_",
    "n_iter_",
    "best_epoch_",
    "best_score_",
    "loss_weights_",
    "_decision_offset",
    "_rare",
)


class NotInFile:
    """Stands for a parameter that JSON cannot hold, such as a function or a sampler.

    ``fit`` refuses it, and the message shows it.
    """

    def __repr__(self) -> str:
        return "<not in the model file: set it again>"


def is_plain(model: Estimator) -> bool:
    """Whether a fitted model can be written by this schema."""
    classifier, pipeline, _ = _layers(model)
    if type(classifier) is not AdaptiveHybridClassifier:
        return False
    encoder = classifier.feature_encoder_
    levels = [] if encoder is None else FittedCategories.of(encoder).levels
    try:
        for labels in (classifier.classes_, *levels):
            to_plain(labels)
    except TypeError:  # labels such as dates
        return False
    return pipeline is None or RawPreparation.of(pipeline) is not None


def write_model(model: Estimator, parts: Parts) -> None:
    """Write a model for which :func:`is_plain` holds.

    Parameters
    ----------
    model : estimator
    parts : Parts
        The parts of the model are added.
    """
    classifier, pipeline, fixed = _layers(model)
    if fixed is not None:
        decision = {"threshold": fixed.threshold, "pos_label": fixed.pos_label}
        parts.add_json("fixed_threshold", _plain_values(decision))
    if pipeline is not None:
        _write_preparation(RawPreparation.of(pipeline), parts)
    if classifier.feature_encoder_ is not None:
        _write_categories(classifier.feature_encoder_, parts)
    _write_committee(classifier._committee, parts)
    _write_classifier(classifier, parts)


def read_model(parts: Parts) -> Estimator:
    """The inverse of :func:`write_model`."""
    classifier = _read_classifier(parts)
    classifier._committee = _read_committee(parts)
    classifier.feature_encoder_ = None
    if "categories" in parts:
        classifier.feature_encoder_ = _read_categories(parts).encoder()
    model = classifier
    if "preparation" in parts:
        model = _read_preparation(parts).pipeline(classifier)
    if "fixed_threshold" in parts:
        decision = _from_plain_values(parts.json("fixed_threshold"))
        model = FixedThresholdClassifier(
            FrozenEstimator(model), response_method="predict_proba", **decision
        )
        # The rows are not looked at, because the model inside is fitted.
        model.fit(np.zeros((2, 1)), classifier.classes_)
    return model


def parameters_left_out(parts: Parts) -> list[str]:
    """Parameters of the classifier that JSON cannot hold; none for other models."""
    return (
        parts.json("classifier")["parameters_left_out"] if "classifier" in parts else []
    )


def _layers(model: Any) -> tuple[Any, Any, Any]:
    """The classifier, the pipeline around it, and the fixed threshold around that."""
    fixed = pipeline = None
    is_fixed = type(model) is FixedThresholdClassifier
    if is_fixed and isinstance(model.estimator, FrozenEstimator):
        if model.response_method != "predict_proba":
            return None, None, None
        fixed, model = model, model.estimator.estimator
    if isinstance(model, Pipeline):
        pipeline, model = model, model.steps[-1][1]
    return model, pipeline, fixed


def _plain_values(values: dict[str, Any]) -> dict[str, Any]:
    return {name: to_plain(value) for name, value in values.items()}


def _from_plain_values(values: dict[str, Any]) -> dict[str, Any]:
    return {name: from_plain(value) for name, value in values.items()}


# --------------------------------------------------------------------- the classifier


def _write_classifier(classifier: AdaptiveHybridClassifier, parts: Parts) -> None:
    parameters, left_out = {}, []
    for name, value in classifier.get_params(deep=False).items():
        try:
            parameters[name] = to_plain(value)
        except TypeError:
            left_out.append(name)
    names = getattr(classifier, "feature_names_in_", None)
    content = {
        "parameters": parameters,
        "parameters_left_out": left_out,
        "feature_names": None if names is None else list(names),
        "attributes": {
            name: to_plain(getattr(classifier, name)) for name in _ATTRIBUTES
        },
    }
    parts.add_json("classifier", content)


def _read_classifier(parts: Parts) -> AdaptiveHybridClassifier:
    content = parts.json("classifier")
    parameters = _from_plain_values(content["parameters"])
    parameters |= {name: NotInFile() for name in content["parameters_left_out"]}
    # Parameters of a later release matter to its training alone.
    known = set(AdaptiveHybridClassifier().get_params(deep=False))
    classifier = AdaptiveHybridClassifier(
        **{name: value for name, value in parameters.items() if name in known}
    )
    for name, value in _from_plain_values(content["attributes"]).items():
        setattr(classifier, name, value)
    if content["feature_names"] is not None:
        names = np.empty(len(content["feature_names"]), object)
        names[:] = content["feature_names"]
        classifier.feature_names_in_ = names
    classifier._state = None
    return classifier


# ---------------------------------------------------------------------- the committee


def _write_committee(committee: Committee, parts: Parts) -> None:
    layers = [*zip(committee.kernels, committee.biases, strict=True)]
    # One array, because each has a header of its own.
    flat = [array.ravel() for layer in layers for array in layer]
    parts.add_array("networks/weights", np.concatenate(flat))
    layout = {
        "activation": committee.activation,
        "kernels": [list(kernel.shape) for kernel, _ in layers],
    }
    parts.add_json("networks/layout", layout)
    _write_inputs(committee.transform, parts)
    calibration = committee.calibration
    if isinstance(calibration, SigmoidCalibration):
        content = {"slope": calibration.slope, "intercept": calibration.intercept}
        parts.add_json(
            "calibration", {"kind": "sigmoid", "values": _plain_values(content)}
        )
    elif isinstance(calibration, IsotonicCalibration):
        lengths = _write_pairs("calibration/knots", calibration.knots, parts)
        content = {"kind": "isotonic", "lengths": lengths}
        parts.add_json("calibration/description", content)


def _read_committee(parts: Parts) -> Committee:
    layout, flat = parts.json("networks/layout"), parts.array("networks/weights")
    kernels: list[np.ndarray] = []
    biases: list[np.ndarray] = []
    start = 0
    for n_members, n_inputs, n_units in layout["kernels"]:
        for arrays, shape in (
            (kernels, (n_members, n_inputs, n_units)),
            (biases, (n_members, n_units)),
        ):
            size = int(np.prod(shape))
            # A copy, so that it begins where arrays do.
            arrays.append(flat[start : start + size].reshape(shape).copy())
            start += size
    return Committee(
        _read_inputs(parts),
        layout["activation"],
        kernels,
        biases,
        _read_calibration(parts),
    )


def _read_calibration(parts: Parts) -> Calibration | None:
    if "calibration" not in parts:
        return None
    if "calibration/description" not in parts:
        return SigmoidCalibration(
            **_from_plain_values(parts.json("calibration")["values"])
        )
    lengths = parts.json("calibration/description")["lengths"]
    return IsotonicCalibration(_read_pairs("calibration/knots", lengths, parts))


def _write_inputs(transform: InputTransform, parts: Parts) -> None:
    scaler, encoding = transform.scaler, transform.encoding
    parts.add_array("inputs/scaling", np.stack([scaler.center, scaler.scale]))
    parts.add_array("inputs/bins", np.stack([encoding.centers, encoding.slopes]))
    scores = scaler.normal_scores
    lengths = _write_pairs("inputs/normal_scores", list(scores.values()), parts)
    if transform.columns is not None:
        parts.add_array("inputs/columns", transform.columns)
    content = {
        "normal_scores": [[int(i), n] for i, n in zip(scores, lengths, strict=True)],
        "missing": [int(i) for i in scaler.missing],
        "dominant": [int(i) for i in scaler.dominant],
        "encoded": encoding.columns.tolist(),
        "n_columns": transform.n_columns,
    }
    parts.add_json("inputs/description", content)


def _read_inputs(parts: Parts) -> InputTransform:
    content = parts.json("inputs/description")
    center, scale = parts.array("inputs/scaling").copy()
    centers, slopes = parts.array("inputs/bins").copy()
    features = [i for i, _ in content["normal_scores"]]
    lengths = [n for _, n in content["normal_scores"]]
    pairs = _read_pairs("inputs/normal_scores", lengths, parts)
    return InputTransform(
        RobustScaler(
            center,
            scale,
            dict(zip(features, pairs, strict=True)),
            content["missing"],
            content["dominant"],
        ),
        PiecewiseLinearEncoding(
            np.array(content["encoded"], np.int32), centers, slopes
        ),
        parts.array("inputs/columns") if "inputs/columns" in parts else None,
        content["n_columns"],
    )


def _write_pairs(
    name: str, pairs: list[tuple[np.ndarray, np.ndarray]], parts: Parts
) -> list[int]:
    """Write knots and values of functions side by side; their numbers are returned."""
    if pairs:
        parts.add_array(name, np.concatenate([np.stack(pair) for pair in pairs], 1))
    return [len(knots) for knots, _ in pairs]


def _read_pairs(
    name: str, lengths: list[int], parts: Parts
) -> list[tuple[np.ndarray, np.ndarray]]:
    if not lengths:
        return []
    cuts = np.cumsum(lengths)[:-1]
    return [(x.copy(), z.copy()) for x, z in np.split(parts.array(name), cuts, axis=1)]


# -------------------------------------------------------- categories, dates and texts


def _write_categories(encoder: Any, parts: Parts) -> None:
    fitted = FittedCategories.of(encoder)
    content = dataclasses.asdict(fitted)
    content["categorical"] = [int(i) for i in fitted.categorical]
    content["levels"] = [to_plain(levels) for levels in fitted.levels]
    parts.add_json("categories", content)


def _read_categories(parts: Parts) -> FittedCategories:
    content = parts.json("categories")
    levels = [from_plain(levels) for levels in content.pop("levels")]
    return FittedCategories(levels=levels, **content)


def _write_preparation(preparation: RawPreparation | None, parts: Parts) -> None:
    if preparation is None:
        raise ValueError("Only the pipeline of raw_pipeline can be written.")
    content = {
        "names": preparation.names,
        "dates": [int(i) for i in preparation.dates],
        "texts": [int(i) for i in preparation.texts],
        "n_components": int(preparation.n_components),
        "terms": [None if f is None else f.terms for f in preparation.encoders],
    }
    parts.add_json("preparation/description", content)
    for number, fitted in enumerate(preparation.encoders):
        if fitted is None:
            continue
        parts.add_array(f"preparation/frequencies{number}", fitted.idf)
        if fitted.components is not None:
            parts.add_array(f"preparation/components{number}", fitted.components)


def _read_preparation(parts: Parts) -> RawPreparation:
    content = parts.json("preparation/description")
    encoders: list[FittedTexts | None] = []
    for number, terms in enumerate(content.pop("terms")):
        fitted = None
        if terms is not None:
            name = f"preparation/components{number}"
            fitted = FittedTexts(
                terms,
                parts.array(f"preparation/frequencies{number}"),
                parts.array(name) if name in parts else None,
            )
        encoders.append(fitted)
    return RawPreparation(encoders=encoders, **content)
