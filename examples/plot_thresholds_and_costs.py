"""
Thresholds: the best F1, nine of ten, or the least cost
=======================================================

A probability becomes a decision by a threshold. Which one is right depends on what the
decisions are for. Here one table gets four thresholds, each tuned on out-of-fold
predictions of the training rows, and 10,000 fresh rows show what each of them gives.
"""

# %%
# Four criteria
# -------------
#
# A missed rare row costs as much as 20 false alarms in the last one. The four
# classifiers train the same networks but for rounding, as all have the same seed.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import make_classification
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split

from skadaptive import AdaptiveHybridClassifier, ThresholdDisplay
from skadaptive.thresholds import (
    expected_cost,
    precision_at_recall,
    recall_at_precision,
)

X, y = make_classification(
    13_000, n_informative=8, weights=[0.96], class_sep=0.8, random_state=0
)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=3000, stratify=y, random_state=0
)
costs = [[0, 1], [20, 0]]
criteria = {
    "best F1": "tune",
    "recall of at least .9": precision_at_recall(0.9),
    "precision of at least .9": recall_at_precision(0.9),
    "least cost, 20 to 1": expected_cost(costs),
}
fitted = {
    name: AdaptiveHybridClassifier(threshold=criterion, random_state=0).fit(
        X_train, y_train
    )
    for name, criterion in criteria.items()
}

# %%
# What they give on fresh rows
# ----------------------------


def outcome(classifier):
    """Measures of the decisions on the test rows."""
    (tn, fp), (fn, tp) = confusion_matrix(y_test, classifier.predict(X_test))
    return {
        "threshold": classifier.threshold_,
        "precision": tp / (tp + fp),
        "recall": tp / (tp + fn),
        "F1": 2 * tp / (2 * tp + fp + fn),
        "cost per row": (costs[0][1] * fp + costs[1][0] * fn) / len(y_test),
    }


print(pd.DataFrame({k: outcome(v) for k, v in fitted.items()}).T.round(3).to_string())

# %%
# Each threshold on the curves of the test rows
# ---------------------------------------------
#
# The display takes ``cost_matrix=``, too. The minimum of the cost is flat: a threshold
# near the best one costs little more.

figure, axes = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
display = ThresholdDisplay.from_estimator(
    fitted["best F1"], X_test, y_test, ax=axes[0], name="At the best F1"
)
proba = fitted["best F1"].predict_proba(X_test)[:, 1]
thresholds = np.linspace(0.005, 0.6, 120)
missed = [np.sum((proba <= t) & (y_test == 1)) for t in thresholds]
alarms = [np.sum((proba > t) & (y_test == 0)) for t in thresholds]
axes[1].plot(thresholds, (20 * np.array(missed) + alarms) / len(y_test), color="black")
for name, classifier in fitted.items():
    axes[1].axvline(classifier.threshold_, ls="--", lw=1, color="grey")
    axes[1].text(classifier.threshold_, 0.62, f" {name}", rotation=90, va="top", size=8)
axes[1].set(xlabel="threshold", ylabel="cost per row", title="20 to 1", ylim=(0, 0.65))
plt.show()
