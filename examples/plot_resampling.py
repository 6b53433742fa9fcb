"""
Resampling: inside the folds, or not at all
===========================================

``sampler=`` takes any sampler of imbalanced-learn and applies it to the training rows
of each committee member. The held-out rows, which tune the threshold and stop the
training, stay real. A sampler in front of the classifier resamples them as well.
"""

# %%
# The same sampler in two places
# ------------------------------
#
# ``best_score_`` is the F1 of the held-out rows. Behind a SMOTE step it is computed
# from rows that were made from training rows.

import matplotlib.pyplot as plt
import pandas as pd
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import RandomUnderSampler
from sklearn.datasets import make_classification
from sklearn.metrics import average_precision_score, f1_score
from sklearn.model_selection import train_test_split

from skadaptive import AdaptiveHybridClassifier

X, y = make_classification(
    12_000, n_informative=8, weights=[0.96], class_sep=0.7, random_state=0
)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=2000, stratify=y, random_state=0
)


def classifier(**parameters):
    """A classifier with few epochs."""
    return AdaptiveHybridClassifier(max_epochs=12, random_state=0, **parameters)


models = {
    "no sampler": classifier(),
    "SMOTE inside": classifier(sampler=SMOTE()),
    "SMOTE in front": make_pipeline(SMOTE(random_state=0), classifier()),
    "under-sampling inside": classifier(sampler=RandomUnderSampler()),
    "under-sampling in front": make_pipeline(
        RandomUnderSampler(random_state=0), classifier()
    ),
}
rows = {}
for name, model in models.items():
    model.fit(X_train, y_train)
    fitted = model[-1] if hasattr(model, "steps") else model
    rows[name] = {
        "F1 of held-out rows": fitted.best_score_,
        "F1 of fresh rows": f1_score(y_test, model.predict(X_test)),
        "average precision": average_precision_score(
            y_test, model.predict_proba(X_test)[:, 1]
        ),
    }
table = pd.DataFrame(rows).T
print(table.round(2).to_string())

# %%
# What is promised, and what comes
# --------------------------------

ax = table.iloc[::-1, :2].plot.barh(figsize=(8, 4.2), xlabel="F1", width=0.75)
ax.figure.set_layout_engine("constrained")
plt.show()
