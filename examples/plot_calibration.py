"""
Calibration: probabilities after weights and resampling
=======================================================

Class weights, SMOTE and focal loss all move the probabilities of a network, because it
learns as if the rare class were more common than it is. Calibration on held-out rows
with their natural class shares puts them right. ``AdaptiveHybridClassifier`` does that
inside ``fit``.
"""

# %%
# Four networks without calibration, and with it
# ----------------------------------------------

import matplotlib.pyplot as plt
import pandas as pd
from imblearn.over_sampling import SMOTE
from sklearn.calibration import CalibrationDisplay
from sklearn.datasets import make_classification
from sklearn.metrics import average_precision_score, brier_score_loss
from sklearn.model_selection import train_test_split

from skadaptive import AdaptiveHybridClassifier

X, y = make_classification(
    13_000, n_informative=8, weights=[0.95], class_sep=0.8, random_state=1
)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=3000, stratify=y, random_state=0
)
remedies = {
    "hybrid loss": {},
    "balanced class weights": {"class_weight": "balanced"},
    "SMOTE": {"sampler": SMOTE()},
    "focal loss alone": {"loss_weights": (0, 1, 0)},
}
figure, axes = plt.subplots(1, 2, figsize=(11, 5.2), layout="constrained")
rows = {}
for ax, calibration in zip(axes, (None, "sigmoid"), strict=True):
    for name, parameters in remedies.items():
        classifier = AdaptiveHybridClassifier(
            calibration=calibration, max_epochs=12, random_state=0, **parameters
        ).fit(X_train, y_train)
        proba = classifier.predict_proba(X_test)[:, 1]
        rows[f"calibration={calibration!r}", name] = {
            "mean probability": proba.mean(),
            "share of rare rows": y_test.mean(),
            "Brier score": brier_score_loss(y_test, proba),
            "average precision": average_precision_score(y_test, proba),
        }
        CalibrationDisplay.from_predictions(
            y_test, proba, n_bins=12, strategy="quantile", ax=ax, name=name
        )
    ax.set_title(f"calibration={calibration!r}")
plt.show()

# %%
# Calibration lowers the Brier score and leaves the ranking alone but for the mean over
# the members: average precision hardly moves.

print(pd.DataFrame(rows).T.round(3).to_string())
