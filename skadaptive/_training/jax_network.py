"""The committee in JAX: forward pass, loss and orthogonalized updates.

The formulas are those of ``network``, ``losses`` and ``orthogonalization``, written in
``jax.numpy``, so that training on JAX needs no Keras: importing it takes as long as the
training of a small table. Tests hold them against each other. The axis of the members
comes first here, as XLA's batched matrix products want it.
"""

import jax
import jax.numpy as jnp

from .orthogonality import COEFFICIENTS, N_ITERATIONS

#: Hidden activations by their Keras name.
ACTIVATIONS = {
    "relu": jax.nn.relu,
    "selu": jax.nn.selu,
    "elu": jax.nn.elu,
    # The exact form, Keras's default.
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
}


def committee_logits(parameters, inputs, activation, masks=None):
    """Forward pass of every member.

    Parameters
    ----------
    parameters : list of array of shape (n_members, ...)
        In the order of ``NetworkLayout.shapes``.
    inputs : array of shape (n_members, batch, n_inputs)
        Scaled features and their encoding.
    activation : str
        Hidden activation.
    masks : list of array of shape (n_members, batch, n_units), default=None
        A factor per hidden layer: 0 for a dropped unit, 1 / (1 - rate) for a kept one.

    Returns
    -------
    array of shape (n_members, batch, n_outputs)
    """
    activate = ACTIVATIONS[activation]
    scales, *layers = parameters
    kernels, biases, x = layers[::2], layers[1::2], inputs
    # The inputs themselves are not scaled, for their gradient would then be needed.
    kernels[0] = kernels[0] * scales[:, :, None]
    for layer, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
        x = x @ kernel + bias[:, None]
        if layer + 1 < len(kernels):
            x = activate(x)
            if masks:
                x = x * masks[layer]
    return x


def hybrid(y, logits, weight, terms):
    """Weighted sum of cross-entropy, focal and soft Dice loss; see ``losses.hybrid``.

    Parameters
    ----------
    y, weight : array of shape (n_members, batch)
    logits : array of shape (n_members, batch, n_outputs)
    terms : dict
        ``loss_weights``, ``gamma``, ``alpha`` (one per class), ``smooth``,
        ``total_weight``.

    Returns
    -------
    array of shape (n_members,)
    """
    if logits.shape[-1] == 1:
        z = logits[..., 0]
        signed = (2 * y - 1) * z
        log_loss, log_miss = jax.nn.softplus(-signed), -jax.nn.softplus(signed)
        alpha = y * terms["alpha"][1] + (1 - y) * terms["alpha"][0]
        dice = _dice(y, jax.nn.sigmoid(z), weight, terms["smooth"])
    else:
        labels = jnp.arange(logits.shape[-1], dtype=y.dtype)
        truth = (y[..., None] == labels).astype(logits.dtype)
        log_total = jax.nn.logsumexp(logits, axis=-1)
        # No logit lies below the least number; see ``losses``.
        masked = jnp.where(truth > 0, jnp.finfo(logits.dtype).min, logits)
        others = jax.nn.logsumexp(masked, axis=-1)
        log_loss = log_total - (truth * logits).sum(-1)
        log_miss = others - log_total
        alpha = truth @ terms["alpha"]
        shares = jax.nn.softmax(logits, axis=-1)
        by_class = _dice(truth, shares, weight[..., None], terms["smooth"])
        present = ((weight[..., None] * truth).sum(1) > 0).astype(logits.dtype)
        dice = _divide_no_nan((present * by_class).sum(-1), present.sum(-1))
    focal = alpha * jnp.exp(terms["gamma"] * log_miss) * log_loss
    cross_entropy, focal = (
        (weight * values).sum(1) / terms["total_weight"] for values in (log_loss, focal)
    )
    mix = terms["loss_weights"]
    return mix[0] * cross_entropy + mix[1] * focal + mix[2] * dice


def orthogonalize(updates, share=1.0):
    """Bring the singular values of updates nearer to each other, keeping their norm.

    See ``orthogonalization.orthogonalize``.

    Parameters
    ----------
    updates : array of shape (n_updates, n_inputs, n_units)
        Updates of kernels of one shape.
    share : float, default=1.0
        In [0, 1]: how much of an update is orthogonalized; the rest stays as it is.

    Returns
    -------
    array of shape (n_updates, n_inputs, n_units)
    """
    tall = updates.shape[-2] >= updates.shape[-1]
    turned = updates.swapaxes(-1, -2)
    gram = turned @ updates if tall else updates @ turned
    square = _divide_no_nan(gram, _trace(gram))
    a, b, c = COEFFICIENTS
    identity = jnp.eye(gram.shape[-1], dtype=updates.dtype)
    product = None
    for _ in range(N_ITERATIONS):
        # All of these are polynomials of the Gram matrix: symmetric, and they commute.
        factor = a * identity + b * square + c * (square @ square)
        product = factor if product is None else product @ factor
        square = factor @ square @ factor
    # By now ``square`` is the Gram matrix of the result for an update of norm 1.
    product = _divide_no_nan(product, jnp.sqrt(_trace(square)))
    if share != 1:
        product = share * product + (1 - share) * identity
    return updates @ product if tall else product @ updates


def _dice(truth, probability, weight, smooth):
    overlap = (weight * truth * probability).sum(1)
    total = (weight * (truth + probability)).sum(1)
    return 1 - (2 * overlap + smooth) / (total + smooth)


def _trace(matrices):
    return jnp.trace(matrices, axis1=-2, axis2=-1)[..., None, None]


def _divide_no_nan(x, y):
    return jnp.where(y == 0, 0, x / jnp.where(y == 0, 1, y))
