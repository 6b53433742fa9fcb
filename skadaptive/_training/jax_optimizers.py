"""Keras's optimizers in JAX, as updates of a list of arrays.

The most used ones are written out here: they need no Keras, whose import takes a
second, and no single vector of all parameters. Any other optimizer or setting is
Keras's own, through ``stateless_apply``, and needs Keras on JAX. The state is the list
of Keras's variables either way: iterations, learning rate, and then vectors of the
length of the parameters, so that a training continues on another backend.
"""

import json

import jax.numpy as jnp
import numpy as np

from .backend import keras_backend_chosen

_ADAM = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}

# Settings of each optimizer with Keras's defaults.
_DEFAULTS = {
    "sgd": {"momentum": 0.0, "nesterov": False},
    "rmsprop": {"rho": 0.9, "momentum": 0.0, "epsilon": 1e-7},
    "adam": _ADAM,
    "adamw": {**_ADAM, "weight_decay": 0.004},
    "nadam": _ADAM,
    "adamax": _ADAM,
    "adagrad": {"initial_accumulator_value": 0.1, "epsilon": 1e-7},
    "lion": {"beta_1": 0.9, "beta_2": 0.99},
}

# Settings that change nothing at these values, as in a complete configuration.
_NEUTRAL = {
    "amsgrad": False,
    "centered": False,
    "clipnorm": None,
    "clipvalue": None,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "global_clipnorm": None,
    "gradient_accumulation_steps": None,
    "loss_scale_factor": None,
    "use_ema": False,
}


def make_optimizer(optimizer, size, dtype):
    """An optimizer from its name or Keras configuration.

    Parameters
    ----------
    optimizer : str
        As JSON, see ``program.Architecture``.
    size : int
        Number of parameters.
    dtype : {"float32", "float64"}

    Returns
    -------
    OwnOptimizer or KerasOptimizer
    """
    given = json.loads(optimizer)
    own = _own_settings(given)
    if own is None:
        return KerasOptimizer(given, size, dtype)
    return OwnOptimizer(*own, size, dtype)


def _own_settings(given):
    """Name and settings of an optimizer that is written out here, or None."""
    if isinstance(given, str):
        given = {"class_name": given, "config": {}}
    name, config = str(given["class_name"]).lower(), dict(given["config"])
    if name not in _DEFAULTS or given.get("registered_name"):
        return None
    config.pop("name", None)
    for setting, value in _NEUTRAL.items():
        if config.get(setting, value) == value:
            config.pop(setting, None)
    settings = {"weight_decay": None, **_DEFAULTS[name]}
    unknown = set(config) - set(settings)
    settings |= config
    # Keras says what is wrong with a value that makes no sense.
    usual = all(
        isinstance(value, (int, float)) and 0 <= value <= 1
        for key, value in settings.items()
        if not (key == "weight_decay" and value is None)
    )
    return (name, settings) if usual and not unknown else None


class OwnOptimizer:
    """One of the optimizers that are written out here.

    Parameters
    ----------
    name : str
    settings : dict
    size : int
    dtype : {"float32", "float64"}

    Attributes
    ----------
    fresh_state : list of ndarray
        Keras's variables before the first step.
    """

    def __init__(self, name, settings, size, dtype):
        self._name, self._settings = name, settings
        self._update = _UPDATES[name]
        slots = [np.zeros(size, dtype) for _ in range(self._n_slots())]
        if name == "adagrad":
            slots[0] += settings["initial_accumulator_value"]
        product = [np.ones((), dtype)] if name == "nadam" else []
        self.fresh_state = [np.zeros((), "int32"), np.zeros((), "float32")]
        self.fresh_state += [*slots, *product]

    def _n_slots(self):
        if self._name in ("sgd", "rmsprop"):
            return (self._name == "rmsprop") + (self._settings["momentum"] > 0)
        return 1 if self._name in ("adagrad", "lion") else 2

    def apply(self, weights, gradients, state, rate):
        """One step.

        Parameters
        ----------
        weights, gradients : list of array
        state : list
            As ``fresh_state``, each vector cut into arrays like the weights.
        rate : array of shape ()
            Learning rate, float32.

        Returns
        -------
        weights : list of array
        state : list
        """
        done, _, *slots = state
        settings, real = self._settings, weights[0].dtype
        now = {"n": (done + 1).astype(real), "rate": rate.astype(real), **settings}
        products = []
        if self._name == "nadam":
            *slots, product = slots
            now["product"] = product * _nadam_momentum(now, 0)
            products = [now["product"]]
        if settings["weight_decay"] is not None:
            decay = settings["weight_decay"] * now["rate"]
            weights = [weight - weight * decay for weight in weights]
        results = [
            self._update(gradient, now, *of_array)
            for gradient, *of_array in zip(gradients, *slots, strict=True)
        ]
        steps, *slots = zip(*results, strict=True)
        weights = [weight + step for weight, step in zip(weights, steps, strict=True)]
        return weights, [done + 1, rate, *map(list, slots), *products]


class KerasOptimizer:
    """An optimizer of Keras, of one vector of all parameters.

    Parameters
    ----------
    given : str or dict
        Name or Keras configuration.
    size : int
    dtype : {"float32", "float64"}

    Attributes
    ----------
    fresh_state : list of ndarray
        Keras's variables before the first step.

    Raises
    ------
    ValueError
        If there is no such optimizer, or Keras does not run on JAX.
    """

    def __init__(self, given, size, dtype):
        with keras_backend_chosen():
            import keras
        self._optimizer = keras.optimizers.get(given)
        if keras.config.backend() != "jax":
            raise ValueError(
                f"optimizer={given!r} trains on JAX with Keras's own code, but Keras "
                f"runs on {keras.config.backend()!r}: set KERAS_BACKEND=jax before it "
                f"is imported, or choose one of {', '.join(_DEFAULTS)} without further "
                "settings."
            )
        self._optimizer.build([keras.Variable(np.zeros(size), dtype=dtype)])
        variables = self._optimizer.variables
        self.fresh_state = [np.array(variable) for variable in variables]
        (self._rate,) = [
            i
            for i, variable in enumerate(variables)
            if variable is self._optimizer.learning_rate
        ]

    def apply(self, weights, gradients, state, rate):
        """One step of the vector of all parameters, see ``OwnOptimizer.apply``."""
        state = [*state]
        state[self._rate] = rate
        (weights,), state = self._optimizer.stateless_apply(
            state, [gradients], [weights]
        )
        return weights, state


# ----------------------------------------- the step of an array, and its new slots


def _sgd(gradient, now, velocity=None):
    step = -gradient * now["rate"]
    if velocity is None:
        return (step,)
    velocity = velocity * now["momentum"] + step
    if now["nesterov"]:
        return velocity * now["momentum"] + step, velocity
    return velocity, velocity


def _rmsprop(gradient, now, square, momentum=None):
    square = now["rho"] * square + (1 - now["rho"]) * jnp.square(gradient)
    step = now["rate"] * gradient / jnp.sqrt(square + now["epsilon"])
    if momentum is None:
        return -step, square
    momentum = now["momentum"] * momentum + step
    return -momentum, square, momentum


def _adam(gradient, now, mean, square):
    mean, square = _moments(gradient, now, mean, square)
    power_1, power_2 = (_rounded(now[f"beta_{i}"]) ** now["n"] for i in (1, 2))
    rate = now["rate"] * jnp.sqrt(1 - power_2) / (1 - power_1)
    return -mean * rate / (jnp.sqrt(square) + now["epsilon"]), mean, square


def _nadam(gradient, now, mean, square):
    now = {**now, **{beta: _rounded(now[beta]) for beta in ("beta_1", "beta_2")}}
    mean, square = _moments(gradient, now, mean, square)
    this, following = _nadam_momentum(now, 0), _nadam_momentum(now, 1)
    product = now["product"]
    guess = following * mean / (1 - product * following)
    guess = guess + (1 - this) * gradient / (1 - product)
    deviation = jnp.sqrt(square / (1 - now["beta_2"] ** now["n"]))
    return -now["rate"] * guess / (deviation + now["epsilon"]), mean, square


def _nadam_momentum(now, ahead):
    return now["beta_1"] * (1 - 0.5 * _rounded(0.96) ** (now["n"] + ahead))


def _adamax(gradient, now, mean, largest):
    mean = mean + (gradient - mean) * (1 - now["beta_1"])
    largest = jnp.maximum(now["beta_2"] * largest, jnp.abs(gradient))
    scale = (1 - _rounded(now["beta_1"]) ** now["n"]) * (largest + now["epsilon"])
    return -now["rate"] * mean / scale, mean, largest


def _adagrad(gradient, now, total):
    total = total + jnp.square(gradient)
    return -now["rate"] * gradient / jnp.sqrt(total + now["epsilon"]), total


def _lion(gradient, now, mean):
    direction = mean * now["beta_1"] + gradient * (1 - now["beta_1"])
    mean = mean * now["beta_2"] + gradient * (1 - now["beta_2"])
    return -now["rate"] * jnp.sign(direction), mean


def _rounded(constant):
    """A constant as Keras has it on TensorFlow: through float32, in any precision."""
    return float(np.float32(constant))


def _moments(gradient, now, mean, square):
    mean = mean + (gradient - mean) * (1 - now["beta_1"])
    square = square + (jnp.square(gradient) - square) * (1 - now["beta_2"])
    return mean, square


_UPDATES = {
    "sgd": _sgd,
    "rmsprop": _rmsprop,
    "adam": _adam,
    "adamw": _adam,
    "nadam": _nadam,
    "adamax": _adamax,
    "adagrad": _adagrad,
    "lion": _lion,
}
