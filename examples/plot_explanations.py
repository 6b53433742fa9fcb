"""
Explanations: which features matter, and why a row was flagged
==============================================================

``explain`` takes a fitted classifier and says what drives its predictions: the
importance of each feature with an interval, how the probability changes with a feature,
and how much each value of a single row raised or lowered its odds.
"""

# %%
# Importance, out of fold
# -----------------------
#
# The rows of the fit are explained by the committee members that did not train on them.
# Features that are strongly correlated are permuted together.

import matplotlib.pyplot as plt

from skadaptive import (
    AdaptiveHybridClassifier,
    EffectDisplay,
    ImportanceDisplay,
    explain,
)
from skadaptive.datasets import load_rare

bunch = load_rare("breast_cancer", as_frame=True)
X, y = bunch.data.iloc[:, :10], bunch.target
classifier = AdaptiveHybridClassifier(random_state=0).fit(X, y)
explanation = explain(classifier, X, y, random_state=0)
ImportanceDisplay.from_explanation(explanation)
plt.show()

# %%
# The effect of one feature
# -------------------------
#
# The mean probability, and that of single rows, if every row had this value.

EffectDisplay.from_explanation(explanation, "mean texture")
plt.show()

# %%
# Reasons for single rows
# -----------------------
#
# The two rows with the greatest out-of-fold probability, and their three strongest
# reasons.

flagged = classifier.oof_proba_[:, 1].argsort()[-2:]
reasons = explanation.contributions(flagged).reasons(3)
print(reasons.to_string())
