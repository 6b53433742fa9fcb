"""
Monitoring: what has changed since the training
===============================================

A model is compared, kept, and used for months. ``monitor`` compares new rows with its
training, period by period, and says what has changed beyond luck, and since when.
"""

# %%
# Ten months of new rows
# ----------------------
#
# From the seventh month on, one feature is measured half a standard deviation too high,
# and one category has a new name.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skadaptive import AdaptiveHybridClassifier, compare, monitor
from skadaptive.drift import adjust_to_prior, prior_shift

rng = np.random.default_rng(0)


def draw(n_rows):
    """Rows and their labels."""
    X = pd.DataFrame(rng.normal(size=(n_rows, 4)), columns=list("abcd"))
    X["city"] = rng.choice(["Bern", "Basel", "Chur"], n_rows)
    log_odds = X["a"] - X["b"] + (X["city"] == "Bern") - 3.5
    return X, (rng.random(n_rows) < 1 / (1 + np.exp(-log_odds))).astype(int)


X, y = draw(4000)
network = AdaptiveHybridClassifier(random_state=0)
model = compare(X, y, contenders={"ours": network}, cv=3, random_state=0, verbose=0)

X_new, y_new = draw(20_000)
month = pd.Series(np.repeat(pd.period_range("2026-01", periods=10, freq="M"), 2000))
late = month >= pd.Period("2026-07")
X_new.loc[late, "a"] += 0.5
X_new.loc[late & (X_new["city"] == "Bern"), "city"] = "BERN"
found = monitor(model, X_new, y_new, time=month.dt.to_timestamp(), period="month")
print(found)

# %%
# The features over the months
# ----------------------------
#
# The population stability index of each feature. Above 0.25 it is usually called a
# large change.

by_month = found.features.pivot(index="period", columns="feature", values="psi")
ax = by_month.plot(figsize=(8, 4), marker="o", ylabel="stability index")
ax.axhline(0.25, ls="--", lw=1, color="grey")
ax.figure.set_layout_engine("constrained")
plt.show()

# %%
# The share of rare rows without labels
# -------------------------------------
#
# If only the share of the rare class changes, it can be estimated from the
# probabilities, and these can be adjusted to it.

X_later, y_later = draw(20_000)
rows = np.r_[np.flatnonzero(y_later), np.flatnonzero(y_later == 0)[:6000]]
proba = model.best_.predict_proba(X_later.iloc[rows])[:, 1]
before = y.mean()
share = prior_shift(model.out_of_fold_["ours"], proba)
adjusted = adjust_to_prior(proba, before, share)
print(
    f"rare in training {before:.3f}, now {y_later[rows].mean():.3f}; estimated "
    f"{share:.3f}; mean probability {proba.mean():.3f}, adjusted {adjusted.mean():.3f}"
)
