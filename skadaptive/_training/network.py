"""The committee of MLPs, in Keras.

Two views of one network: :func:`committee_logits`, the forward pass over plain tensors
that the training program traces; and :func:`build_model`, the trained committee as a
``keras.Model`` of Keras's own layers, for saving, exporting and inspection. The NumPy
view is ``_committee.inference``; a test holds the three against each other.

On one thread all members go through one batched matrix product per layer: with a
product for each member a program takes 0.6 s to trace instead of 0.3 s and steps take
up to a sixth longer. On two threads a product for each is as quick or quicker, 0.8 of
the time for 182,276 x 29 rows, 128-64-32 and dropout: TensorFlow then runs the members
side by side and fuses bias and activation with the product.
"""

import keras
import numpy as np
from keras import ops

from .._features.piecewise import interpolate
from .._features.scaling import BOUND

# Step sizes relative to a kernel of one input, as in RealMLP (Holzmüller et al., 2024,
# arXiv:2407.04491).
_INPUT_SCALE_STEP = 6.0
_BIAS_STEP = 0.1


def step_sizes(layout, relative_rates):
    """How far a unit step of the optimizer moves each parameter of the committee.

    The optimizer works on parameters divided by these sizes: 1 / sqrt(fan_in) for a
    kernel, which is the neural tangent parametrization, 6 for the input scales and 0.1
    for biases. One learning rate then suits narrow and wide layers. The size of an
    input scale is 6 times the relative learning rate of its feature, see
    ``_features.relevance``.

    Parameters
    ----------
    layout : NetworkLayout
    relative_rates : ndarray of shape (n_members, n_inputs)
        Learning rate of each input scale relative to the others.

    Returns
    -------
    ndarray of shape (n_members * n_parameters,)
    """
    by_shape = [
        step
        for n_inputs in layout.fan_in
        for step in (1.0 / np.sqrt(n_inputs), _BIAS_STEP)
    ]
    layers = np.repeat(by_shape, layout.sizes[1:])
    layers = np.broadcast_to(layers, (layout.n_members, len(layers)))
    return np.hstack([_INPUT_SCALE_STEP * relative_rates, layers]).ravel()


def initial_parameters(rng, layout, output_bias):
    """Initial parameters of all members in one vector.

    Hidden kernels are normal with the variance that keeps signals at their size:
    2 / fan_in for the ReLU family (He et al., 2015), 1 / fan_in for SELU (Klambauer et
    al., 2017) and tanh. The output kernel starts at 0 and its bias at the log-odds of
    the class shares, so that training begins at the prevalence.

    Parameters
    ----------
    rng : numpy.random.Generator
    layout : NetworkLayout
    output_bias : ndarray of shape (n_outputs,)

    Returns
    -------
    ndarray of shape (n_members * n_parameters,)
    """
    gain = 1.0 if layout.activation in ("selu", "tanh") else 2.0
    input_scales, *shapes = layout.shapes
    parts = []
    for _ in range(layout.n_members):
        parts.append(np.ones(input_scales))
        for kernel, bias, n_inputs in zip(
            shapes[:-2:2], shapes[1:-2:2], layout.fan_in[:-1], strict=True
        ):
            deviation = np.sqrt(gain / n_inputs)
            parts.append(rng.normal(scale=deviation, size=kernel).ravel())
            parts.append(np.zeros(bias))
        parts.append(np.zeros(np.prod(shapes[-2])))
        parts.append(output_bias)
    return np.concatenate(parts)


def kernels_and_biases(vector, shapes, n_networks):
    """Kernels and biases of each layer from one vector of parameters.

    The input scales become part of the first kernel.

    Parameters
    ----------
    vector : ndarray of shape (n_networks * n_parameters,)
    shapes : list of tuple
        Of one network's parameters, see ``NetworkLayout.shapes``.
    n_networks : int

    Returns
    -------
    kernels : list of ndarray of shape (n_networks, n_in, n_out)
    biases : list of ndarray of shape (n_networks, n_out)
    """
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])
    columns = np.split(vector.reshape(n_networks, -1), ends[:-1], axis=1)
    scales, *layers = [
        column.reshape(n_networks, *shape)
        for column, shape in zip(columns, shapes, strict=True)
    ]
    kernels, biases = layers[::2], layers[1::2]
    kernels[0] = kernels[0] * scales[:, :, None]
    return kernels, biases


def committee_logits(parameters, inputs, activation, masks=None, together=True):
    """Forward pass of every member.

    Parameters
    ----------
    parameters : list of tensor of shape (n_members, ...)
        In the order of ``NetworkLayout.shapes``.
    inputs : tensor of shape (n_members, batch, n_inputs)
        Scaled features and their encoding.
    activation : str
        Hidden activation.
    masks : list of tensor of shape (n_members, batch, n_units), default=None
        A factor per hidden layer: 0 for a dropped unit, 1 / (1 - rate) for a kept one.
    together : bool, default=True
        Whether members go through one batched product per layer, or through one each.

    Returns
    -------
    tensor of shape (batch, n_members, n_outputs)
    """
    activate = keras.activations.get(activation)
    masks = masks or []
    if together and inputs.shape[0] > 1:
        logits = _logits(parameters, inputs, activate, masks)
        return ops.transpose(logits, (1, 0, 2))
    parameters, masks = (
        list(zip(*map(ops.unstack, parts), strict=True))
        for parts in (parameters, masks)
    )
    masks = masks or [()] * len(parameters)
    members = zip(parameters, ops.unstack(inputs), masks, strict=True)
    logits = [_logits(member, x, activate, mask) for member, x, mask in members]
    return ops.stack(logits, axis=1)


def _logits(parameters, x, activate, masks):
    """Logits of one member, or of all with one more axis in front of everything."""
    scales, *layers = parameters
    kernels, biases = layers[::2], layers[1::2]
    if x.ndim == 3:
        biases = [bias[:, None] for bias in biases]
    # The inputs themselves are not scaled, for their gradient would then be needed.
    kernels[0] = kernels[0] * scales[..., None]
    for layer, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
        x = ops.matmul(x, kernel) + bias
        if layer + 1 < len(kernels):
            x = activate(x)
            if masks:
                x = x * masks[layer]
    return x


def build_model(committee):
    """Build a Keras model of standard layers from a trained committee.

    Parameters
    ----------
    committee : Committee

    Returns
    -------
    keras.Model
        (batch, n_features), unscaled → (batch, n_classes) probabilities. The layers
        carry the axis (batch, n_members, n_units).
    """
    scaler, encoding = committee.transform.scaler, committee.transform.encoding
    n_members, n_features = committee.n_members, len(scaler.center)
    n_outputs = committee.n_outputs
    if committee.transform.n_columns is not None:
        n_features = committee.transform.n_columns
    # Scaling runs in float64: in float32 a time stamp in seconds has a resolution of
    # 128 s. Keras's Normalization and Rescaling layers would round to float32.
    inputs = keras.Input((n_features,), dtype="float64", name="features")
    features = inputs
    if committee.transform.columns is not None:
        features = ops.take(inputs, committee.transform.columns, axis=1)
    x = (features - scaler.center) * scaler.scale
    x = x / ops.sqrt(1.0 + ops.square(x / BOUND))
    columns = [ops.where(ops.isnan(x), 0.0, x)]
    for feature, knots in scaler.normal_scores.items():
        column = features[:, feature : feature + 1]
        score = interpolate(column, *knots, ops)
        columns.append(ops.where(ops.isnan(column), 0.0, score))
    for feature in scaler.missing:
        columns.append(ops.cast(ops.isnan(features[:, feature : feature + 1]), x.dtype))
    x = ops.concatenate(columns, axis=1)
    if encoding.n_encoded:
        x = ops.concatenate([x, encoding.transform(x, ops)], axis=1)
    x = ops.cast(x, "float32")
    # The layers stay in float32 whatever Keras's global dtype policy is.
    options = {"dtype": "float32"}
    x = keras.layers.RepeatVector(n_members, name="members", **options)(x)
    layers = zip(committee.kernels, committee.biases, strict=True)
    last = len(committee.kernels) - 1
    for index, (kernel, bias) in enumerate(layers):
        layer = keras.layers.EinsumDense(
            "bmi,mio->bmo",
            output_shape=(n_members, kernel.shape[-1]),
            bias_axes="mo",
            activation=committee.activation if index < last else None,
            name="logits" if index == last else f"hidden_{index + 1}",
            **options,
        )
        x = layer(x)
        layer.set_weights([kernel, bias])
    x = ops.reshape(x, (-1, n_outputs))
    if committee.calibration is not None:
        x = committee.calibration.on_tensors(x, ops)
    if n_outputs == 1:
        # Both classes have a column, as in predict_proba.
        x = ops.concatenate([-x, x], axis=-1)
        x = keras.layers.Activation("sigmoid", name="member_proba", **options)(x)
    else:
        x = keras.layers.Softmax(name="member_proba", **options)(x)
    x = ops.reshape(x, (-1, n_members, x.shape[-1]))
    outputs = keras.layers.GlobalAveragePooling1D(name="probabilities", **options)(x)
    return keras.Model(inputs, outputs, name="adaptive_hybrid_classifier")
