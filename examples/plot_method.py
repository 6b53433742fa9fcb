"""
How it works, in pictures
=========================

One picture for each step from a column of numbers to a decision. :doc:`/method` has the
words and the sources.
"""

# sphinx_gallery_thumbnail_number = 2

# %%
# A table
# -------
#
# 2,000 rows, 5 % of them rare, and one feature with a heavy tail.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm
from sklearn.datasets import make_classification
from sklearn.model_selection import StratifiedKFold

from skadaptive import AdaptationDisplay, AdaptiveHybridClassifier, ThresholdDisplay

X, y = make_classification(
    2000, 8, n_informative=5, weights=[0.95], class_sep=0.8, random_state=0
)
X[:, 0] = np.exp(2 * X[:, 0])

# %%
# Scaling
# -------
#
# A feature is centred on its median, divided by its interquartile range, and clipped
# smoothly to (-3, 3). A heavy tail also gets the normal scores of its quantiles.


def scaled(x):
    """Robust scaling with a smooth clip."""
    low, middle, high = np.quantile(x, [0.25, 0.5, 0.75])
    z = (x - middle) / (high - low)
    return z / np.sqrt(1 + (z / 3) ** 2)


feature = X[:, 0]
ranks = (feature.argsort().argsort() + 0.5) / len(feature)
figure, axes = plt.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
for ax, values, title in zip(
    axes,
    (feature, scaled(feature), norm.ppf(ranks)),
    ("as it comes", "scaled and clipped smoothly", "normal scores"),
    strict=True,
):
    ax.hist(values, 40, color="grey")
    ax.set(title=title, yticks=[])
plt.show()

# %%
# Piecewise linear encoding
# -------------------------
#
# A feature becomes one input per quantile bin: 0 below the bin, 1 above it, and linear
# inside. A network can then learn a sharp threshold. Eight bins are shown, 16 are used.

edges = np.quantile(X[:, 1], np.linspace(0, 1, 9))
grid = np.linspace(*np.quantile(X[:, 1], [0.001, 0.999]), 400)
encoded = np.clip((grid[:, None] - edges[:-1]) / np.diff(edges), 0, 1)
figure, ax = plt.subplots(figsize=(8, 3.2), layout="constrained")
ax.plot(grid, encoded)
ax.plot(X[:300, 1], np.full(300, -0.06), "|", color="grey")
ax.set(xlabel="value of the feature", ylabel="inputs of the network")
plt.show()

# %%
# Folds inside fit
# ----------------
#
# One committee member per fold: it trains on the white rows and predicts the black
# ones, so that every row gets a prediction of a network that has not seen it.

held_out = np.zeros((10, 60))
some = np.r_[np.flatnonzero(y == 0)[:54], np.flatnonzero(y)[:6]]
folds = StratifiedKFold(10, shuffle=True, random_state=0).split(some, y[some] * 0)
for member, (_, test) in enumerate(folds):
    held_out[member, test] = 1
figure, ax = plt.subplots(figsize=(9, 2.6), layout="constrained")
ax.imshow(held_out, cmap="Greys", aspect="auto")
ax.set(xlabel="row", ylabel="member", yticks=range(0, 10, 3))
plt.show()

# %%
# Three losses
# ------------
#
# The loss of a rare row by its predicted probability, for cross-entropy and focal loss.
# Soft Dice loss is no sum over rows: it is 1 less the overlap of a batch. Here the
# probabilities of all rare rows of a batch move together, with no false alarm.

p = np.linspace(0.01, 0.99, 200)
figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
ax.plot(p, -np.log(p), label="cross-entropy")
ax.plot(p, -0.75 * (1 - p) ** 2 * np.log(p), label="focal loss, gamma 2, alpha .75")
ax.plot(p, 1 - 2 * p / (1 + p), label="soft Dice loss")
ax.set(xlabel="predicted probability of rare rows", ylabel="loss", ylim=(0, 3))
ax.legend()
plt.show()

# %%
# Learning rate
# -------------
#
# Constant for half of the epochs, then along a cosine to 0.

epochs = np.linspace(0, 24, 300)
rate = 0.04 * np.where(epochs < 12, 1, (1 + np.cos(np.pi * (epochs - 12) / 12)) / 2)
figure, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
ax.plot(epochs, rate, color="black")
ax.set(xlabel="epoch", ylabel="learning rate", ylim=(0, None))
plt.show()

# %%
# The mix follows the score
# -------------------------
#
# After each epoch the pooled out-of-fold predictions are scored. The smoothed score
# moves the loss weights, stops the training and chooses the epoch that is kept.

classifier = AdaptiveHybridClassifier(random_state=0).fit(X, y)
AdaptationDisplay.from_estimator(classifier)
plt.show()

# %%
# Calibration
# -----------
#
# The probabilities of two fits of the same networks, without calibration and with it.
# The curve is the sigmoid that was learnt from the out-of-fold logits.

plain = AdaptiveHybridClassifier(calibration=None, random_state=0).fit(X, y)
before, after = plain.oof_proba_[:, 1], classifier.oof_proba_[:, 1]
figure, ax = plt.subplots(figsize=(5.2, 4.6), layout="constrained")
ax.plot(before, after, ".", ms=3, color="black")
ax.plot([0, 1], [0, 1], ls="--", lw=1, color="grey")
ax.set(xlabel="without calibration", ylabel="with it", title="Out-of-fold probability")
plt.show()

# %%
# Threshold
# ---------
#
# The threshold is the best one for the criterion on the out-of-fold probabilities.

ThresholdDisplay.from_predictions(
    y, classifier.oof_proba_[:, 1], threshold=classifier.threshold_
)
plt.show()
