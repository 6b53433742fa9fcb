"""The committee of MLPs, in Keras.

Two views of one network: :func:`committee_logits`, the forward pass that is traced
into the training program, over plain tensors; and :func:`build_model`, the trained
committee as a ``keras.Model`` made of Keras's own layers, for saving, exporting and
looking inside. The NumPy view is ``_committee.inference``; a test holds the three
against each other.

On one thread all members go through one batched matrix product per layer: with a
product for each a program takes .6 s to trace instead of .3 and steps up to a sixth
longer. On two threads a product for each is as quick or quicker, .8 of the time for
182,276 x 29 rows, 128-64-32 and dropout: there TensorFlow runs members side by side and
fuses bias and activation with the product.
"""

import keras
import numpy as np
from keras import ops

from .._features.piecewise import interpolate
from .._features.scaling import BOUND


def weight_shapes(n_columns, n_encoded, n_bins, hidden_layer_sizes, n_outputs):
    """Shapes of one member's weights.

    First a learnable factor per input, (n_inputs,), then kernel and bias per layer, the
    output layer last. Inputs are the columns of the scaled features and then, feature
    by feature, their encoding.
    """
    units = (n_columns + n_encoded * n_bins, *hidden_layer_sizes, n_outputs)
    layers = zip(units[:-1], units[1:], strict=True)
    return [units[:1]] + [
        shape for n_in, n_out in layers for shape in ((n_in, n_out), (n_out,))
    ]


def step_factors(shapes, n_bins, n_encoded, relative):
    """How far a unit step of the optimizer moves each weight of the committee.

    The optimizer works on weights divided by these factors: 1 / sqrt(n_in) for a
    kernel, which is the neural tangent parametrization, 6 for the factors of the
    inputs and 0.1 for biases, as in RealMLP (Holzmüller et al., 2024,
    arXiv:2407.04491). One learning rate then suits narrow and wide layers alike. For
    the first kernel an encoded feature counts once, see ``_features.piecewise``.
    The 6 is multiplied by how fast an input moves compared with the others, see
    ``_features.relevance``.

    Parameters
    ----------
    shapes : list of tuple
        From :func:`weight_shapes`.
    n_bins : int
        Columns by which a feature is encoded.
    n_encoded : int
        Features that are encoded.
    relative : ndarray of shape (n_members, n_inputs)
        1 for an input that moves as fast as any.

    Returns
    -------
    ndarray of shape (n_members * n_weights,)
    """
    layers = [
        1.0 / np.sqrt(n_in) if n_in else 0.1
        for n_in in _fan_in(shapes, n_bins, n_encoded)
    ]
    layers = np.repeat(layers, [np.prod(shape, dtype=int) for shape in shapes[1:]])
    layers = np.broadcast_to(layers, (len(relative), len(layers)))
    return np.hstack([6.0 * relative, layers]).ravel()


def initial_weights(rng, shapes, n_bins, n_encoded, n_members, activation, output_bias):
    """Initial weights of all members in one vector.

    Hidden kernels are normal with the variance that keeps signals at their size:
    2 / n_in for the ReLU family (He et al., 2015), 1 / n_in for SELU (Klambauer et
    al., 2017) and tanh. The output kernel starts at 0 and its bias at the log-odds
    of the class shares, so that training begins at the prevalence.

    Parameters
    ----------
    rng : numpy.random.Generator
    shapes : list of tuple
        From :func:`weight_shapes`.
    n_bins, n_encoded
        See :func:`step_factors`.
    n_members : int
    activation : str
    output_bias : ndarray of shape (n_outputs,)

    Returns
    -------
    ndarray of shape (n_members * n_weights,)
    """
    gain = 1.0 if activation in ("selu", "tanh") else 2.0
    fan_in = _fan_in(shapes, n_bins, n_encoded)
    parts = []
    for _ in range(n_members):
        parts.append(np.ones(shapes[0]))
        for shape, n_in in zip(shapes[1:-2], fan_in):
            if n_in:
                deviation = np.sqrt(gain / n_in)
                parts.append(rng.normal(scale=deviation, size=shape).ravel())
            else:
                parts.append(np.zeros(shape))
        parts.append(np.zeros(np.prod(shapes[-2])))
        parts.append(output_bias)
    return np.concatenate(parts)


def _fan_in(shapes, n_bins, n_encoded):
    """Inputs of each layer: a number for its kernel, then None for its bias."""
    (n_inputs,), *layers = shapes
    found = [shape[0] if len(shape) == 2 else None for shape in layers]
    # The encoding of a feature weighs as much as one column.
    return [n_inputs - n_encoded * (n_bins - 1), *found[1:]]


def unflatten(vector, shapes, n_members):
    """Kernels (n_members, n_in, n_out) and biases (n_members, n_out) per layer.

    The factors of the inputs become part of the first kernel.
    """
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])
    columns = np.split(vector.reshape(n_members, -1), ends[:-1], axis=1)
    factors, *stacked = [
        column.reshape(n_members, *shape)
        for column, shape in zip(columns, shapes, strict=True)
    ]
    kernels, biases = stacked[::2], stacked[1::2]
    kernels[0] = kernels[0] * factors[:, :, None]
    return kernels, biases


def committee_logits(weights, inputs, activation, masks=None, together=True):
    """Forward pass of every member.

    Parameters
    ----------
    weights : list of tensor of shape (n_members, ...)
        As in :func:`weight_shapes`.
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
        logits = _logits(weights, inputs, activate, masks)
        return ops.transpose(logits, (1, 0, 2))
    weights, masks = (
        list(zip(*map(ops.unstack, parts), strict=True)) for parts in (weights, masks)
    )
    masks = masks or [()] * len(weights)
    members = zip(weights, ops.unstack(inputs), masks, strict=True)
    logits = [_logits(part, x, activate, mask) for part, x, mask in members]
    return ops.stack(logits, axis=1)


def _logits(weights, x, activate, masks):
    """Of one member, or of all with one more axis in front of everything."""
    factor, *layers = weights
    kernels, biases = layers[::2], layers[1::2]
    if x.ndim == 3:
        biases = [bias[:, None] for bias in biases]
    # Not on the inputs, whose gradient would then be needed.
    kernels[0] = kernels[0] * factor[..., None]
    for layer, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
        x = ops.matmul(x, kernel) + bias
        if layer + 1 < len(kernels):
            x = activate(x)
            if masks:
                x = x * masks[layer]
    return x


def build_model(committee):
    """A trained committee as a Keras model of standard layers.

    Parameters
    ----------
    committee : Committee

    Returns
    -------
    keras.Model
        (batch, n_features), unscaled → (batch, n_classes) probabilities. The layers
        carry the axis (batch, n_networks, n_units).
    """
    scaler = committee.scaler
    n_members, n_features = committee.n_members, len(scaler.center)
    n_networks, n_outputs = len(committee.kernels[0]), committee.n_outputs
    # In float64: in float32 a time stamp in seconds has a grain of 128. Operations, as
    # the layers made for it, Normalization and Rescaling, round to float32.
    inputs = keras.Input((n_features,), dtype="float64", name="features")
    x = (inputs - scaler.center) * scaler.scale
    x = x / ops.sqrt(1.0 + ops.square(x / BOUND))
    columns = [ops.where(ops.isnan(x), 0.0, x)]
    for feature, knots in scaler.scores.items():
        column = inputs[:, feature : feature + 1]
        score = interpolate(column, *knots, ops)
        columns.append(ops.where(ops.isnan(column), 0.0, score))
    for feature in scaler.missing:
        columns.append(ops.cast(ops.isnan(inputs[:, feature : feature + 1]), x.dtype))
    x = ops.concatenate(columns, axis=1)
    if committee.encoding.n_encoded:
        x = ops.concatenate([x, committee.encoding.transform(x, ops)], axis=1)
    x = ops.cast(x, "float32")
    # Whatever the global policy of Keras says.
    options = {"dtype": "float32"}
    x = keras.layers.RepeatVector(n_networks, name="networks", **options)(x)
    layers = zip(committee.kernels, committee.biases, strict=True)
    last = len(committee.kernels) - 1
    for index, (kernel, bias) in enumerate(layers):
        layer = keras.layers.EinsumDense(
            "bmi,mio->bmo",
            output_shape=(n_networks, kernel.shape[-1]),
            bias_axes="mo",
            activation=committee.activation if index < last else None,
            name="logits" if index == last else f"hidden_{index + 1}",
            **options,
        )
        x = layer(x)
        layer.set_weights([kernel, bias])
    x = ops.reshape(x, (-1, n_networks // n_members, n_outputs))
    x = keras.layers.GlobalAveragePooling1D(name="member_logits", **options)(x)
    if committee.calibration is not None:
        x = committee.calibration.on_tensors(x, ops)
    if n_outputs == 1:
        # Both classes, as predict_proba gives them.
        x = ops.concatenate([-x, x], axis=-1)
        x = keras.layers.Activation("sigmoid", name="member_proba", **options)(x)
    else:
        x = keras.layers.Softmax(name="member_proba", **options)(x)
    x = ops.reshape(x, (-1, n_members, x.shape[-1]))
    outputs = keras.layers.GlobalAveragePooling1D(name="probabilities", **options)(x)
    return keras.Model(inputs, outputs, name="adaptive_hybrid_classifier")
