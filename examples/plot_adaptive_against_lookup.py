"""
An adaptive loss that did not adapt
===================================

A published "adaptive hybrid loss" looks its mix of cross-entropy, focal loss and Dice
up by the validation F1 of each epoch, and sets it on the loss object as Python numbers.
By then Keras has compiled the old numbers into the training step. The mix never
changes. This example shows it, and what a variable instead of a number changes.

The full measurement is ``python benchmarks/published/adaptive_against_lookup.py``: on
digits a published network ranks better than ours (average precision .943 to .898), and
on the credit card table it is behind, .788 to .808 (:doc:`/results`).
"""

# %%
# The published loss, and the proof
# ---------------------------------
#
# After the first epoch all three weights are set to 0. If they were live, the loss
# would be 0 from then on.

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import ops
from sklearn.metrics import average_precision_score, f1_score
from sklearn.model_selection import train_test_split

from skadaptive import AdaptationDisplay, AdaptiveHybridClassifier
from skadaptive.datasets import load_rare
from skadaptive.losses import HybridLoss

X, y = load_rare("digits", return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, test_size=0.4, stratify=y, random_state=0
)


class PublishedLoss(keras.losses.Loss):
    """Cross-entropy, focal loss and Dice, weighted by Python numbers."""

    def __init__(self):
        super().__init__()
        self.weights = [0.4, 0.4, 0.2]

    def call(self, y_true, y_pred):
        """Weighted sum of the three losses."""
        y_true = ops.cast(y_true, y_pred.dtype)
        p = ops.clip(y_pred, 1e-7, 1 - 1e-7)
        right = y_true * p + (1 - y_true) * (1 - p)
        cross_entropy = ops.mean(-ops.log(right))
        focal = ops.mean(-((1 - right) ** 2) * ops.log(right))
        overlap = 2 * ops.sum(y_true * p) + 1
        dice = 1 - overlap / (ops.sum(y_true) + ops.sum(p) + 1)
        a, b, c = self.weights
        return a * cross_entropy + b * focal + c * dice


def training_losses(loss, change):
    """The loss of each of four epochs; ``change`` is called after the first one."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32, "relu"),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile("adam", loss)

    def after(epoch, logs):
        if epoch == 0:
            change(model)

    callback = keras.callbacks.LambdaCallback(on_epoch_end=after)
    fitted = model.fit(X_train, y_train, epochs=4, verbose=0, callbacks=[callback])
    return np.round(fitted.history["loss"], 3)


def set_numbers(model):
    """What the published code does."""
    model.loss.weights = [0.0, 0.0, 0.0]


def do_nothing(model):
    """Leave the weights as they are."""


print("as it is:      ", *training_losses(PublishedLoss(), do_nothing))
print("weights set to 0:", *training_losses(PublishedLoss(), set_numbers))

# %%
# The two lines are the same. ``HybridLoss`` holds its weights in a variable. Here all
# weight moves to cross-entropy after the first epoch, and the loss follows. (Keras on
# JAX compiles variables of a loss as well, so the step is compiled again. The callback
# ``AdaptiveLossWeights`` takes care of that.)


def set_variable(model):
    """Move all weight to cross-entropy."""
    model.loss.loss_weights.assign([1.0, 0.0, 0.0])
    model.make_train_function(force=True)


print("as it is:        ", *training_losses(HybridLoss(), do_nothing))
print("cross-entropy alone:", *training_losses(HybridLoss(), set_variable))

# %%
# The published rule, alive
# -------------------------
#
# ``adaptation="lookup"`` is the published rule in ``AdaptiveHybridClassifier``, where
# it follows out-of-fold predictions of all training rows. "performance" is the default.

figure, axes = plt.subplots(1, 2, figsize=(12, 4.2), layout="constrained")
for ax, rule in zip(axes, ("lookup", "performance"), strict=True):
    classifier = AdaptiveHybridClassifier(adaptation=rule, random_state=0)
    classifier.fit(X_train, y_train)
    AdaptationDisplay.from_estimator(classifier, ax=ax, name=rule)
    proba = classifier.predict_proba(X_test)[:, 1]
    print(
        f"{rule}: average precision {average_precision_score(y_test, proba):.3f}, "
        f"F1 {f1_score(y_test, classifier.predict(X_test)):.3f}"
    )
plt.show()
