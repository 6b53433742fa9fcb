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
from keras import ops

from .._features.piecewise import interpolate
from .._features.scaling import BOUND
from .backend import refuse_after_fork


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
    activate = _silu if activation == "silu" else keras.activations.get(activation)
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


def _silu(x):
    """Of plain operations, for TensorFlow's own has a custom gradient.

    TensorFlow registers that for good in each trace, and the graph with it, so that
    every architecture of a search took 6 MB that no one could free.
    """
    return x * ops.sigmoid(x)


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
    refuse_after_fork(keras.backend.backend())
    scaler, encoding = committee.transform.scaler, committee.transform.encoding
    n_members, n_features = committee.n_members, len(scaler.center)
    n_outputs = committee.n_outputs
    if committee.transform.n_columns is not None:
        n_features = committee.transform.n_columns
    # Scaling runs in float64: in float32 a time stamp in seconds has a resolution of
    # 128 s. Keras's Normalization and Rescaling layers would round to float32.
    real = _widest_float()
    inputs = keras.Input((n_features,), dtype=real, name="features")
    features = inputs
    if committee.transform.columns is not None:
        features = ops.take(inputs, committee.transform.columns, axis=1)
    x = (features - scaler.center.astype(real)) * scaler.scale.astype(real)
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


def _widest_float():
    """float64, but for JAX where it has no 64-bit numbers, which is its default."""
    if keras.config.backend() == "jax":
        import jax

        return "float64" if jax.config.jax_enable_x64 else "float32"
    return "float64"
