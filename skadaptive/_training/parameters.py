"""The parameters of a committee as one vector, in NumPy: where they begin and end."""

import numpy as np

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
