"""
===========================================
Quickstart: a rare class, and the baselines
===========================================

``AdaptiveHybridClassifier`` beside what a data scientist would have used anyway, on
data that scikit-learn bundles, made rare: the ranking, how the mix of losses followed
the score, and what each threshold would give.

On a table of your own, in one command::

    skadaptive compare FILE.csv --target COLUMN --report report.html
"""

# %%
import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

from skadaptive import (
    AdaptationDisplay,
    AdaptiveHybridClassifier,
    ThresholdDisplay,
    compare,
    evaluate,
)
from skadaptive.datasets import load_rare

parser = argparse.ArgumentParser(description="Compare with baselines.")
parser.add_argument("--folds", type=int, default=5, help="default: 5")
parser.add_argument("--out", type=Path, default=Path("results"), help="for the picture")
arguments = parser.parse_args()

# %%
# Which one ranks best?
# ---------------------
#
# All see the same folds; categories, missing values, scaling and resampling are dealt
# with inside of them. The paired test says which differences could be luck.

X, y = load_rare("digits", return_X_y=True, as_frame=True)  # 3.6 % are eights
comparison = compare(
    X, y, contenders="quick", cv=arguments.folds, random_state=0, verbose=0
)
print(comparison)

# %%
# One fit, looked at
# ------------------
#
# The test rows were seen by nothing: neither by the network nor by its threshold.

X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.4, stratify=y, random_state=0
)
classifier = AdaptiveHybridClassifier(random_state=0).fit(X_train, y_train)
print(evaluate(classifier, X_test, y_test, random_state=0))

figure, axes = plt.subplots(1, 3, figsize=(17, 4.5), layout="constrained")
comparison.plot(ax=axes[0])
AdaptationDisplay.from_estimator(classifier, ax=axes[1])
ThresholdDisplay.from_estimator(classifier, X_test, y_test, ax=axes[2])
arguments.out.mkdir(parents=True, exist_ok=True)
picture = arguments.out / "quickstart.png"
figure.savefig(picture, dpi=120)
print(f"\nThe ranking, the mix and the threshold: {picture}")
