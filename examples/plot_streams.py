"""
Streams: learning chunk by chunk
================================

``partial_fit`` goes on training with new rows, so that a classifier follows a stream,
or learns from a table that does not fit into memory. Here the share of the rare class
and its place move halfway. A classifier that keeps learning follows, one that was
fitted once does not.
"""

# %%
# A stream whose rare class moves
# -------------------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import average_precision_score

from skadaptive import AdaptiveHybridClassifier

rng = np.random.default_rng(0)
centres = {False: np.array([1.5, 1.5, 0, 0, 0]), True: np.array([-1.5, 0, 1.5, 0, 0])}


def chunk(later, n_rows=500):
    """Rows of the stream; in the later half the rare class lies elsewhere."""
    y = (rng.random(n_rows) < (0.1 if later else 0.05)).astype(int)
    return rng.normal(size=(n_rows, 5)) + y[:, None] * centres[later], y


# %%
# Predict first, then learn
# -------------------------
#
# Each chunk is predicted before its labels are used.

first, first_labels = chunk(later=False, n_rows=1000)
fixed = AdaptiveHybridClassifier(random_state=0).fit(first, first_labels)
stream = AdaptiveHybridClassifier(random_state=0)
stream.partial_fit(first, first_labels, classes=[0, 1])
scores = {"fitted once": [], "partial_fit": []}
for i in range(24):
    X, y = chunk(later=i >= 12)
    for name, model in (("fitted once", fixed), ("partial_fit", stream)):
        scores[name].append(average_precision_score(y, model.predict_proba(X)[:, 1]))
    stream.partial_fit(X, y)

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for name, values in scores.items():
    ax.plot(np.arange(1, 25), values, marker="o", ms=3, label=name)
ax.axvline(12.5, ls="--", lw=1, color="grey")
ax.set(xlabel="chunk of 500 rows", ylabel="average precision", ylim=(0, 1))
ax.legend()
plt.show()

for name, values in scores.items():
    print(
        f"{name}: {np.mean(values[:12]):.2f} before, {np.mean(values[12:]):.2f} after"
    )
