"""Draw docs/readme.png, the picture of the README: `python docs/draw_readme.py`."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from skadaptive import AdaptationDisplay, AdaptiveHybridClassifier, compare
from skadaptive.datasets import load_rare

X, y = load_rare("digits", return_X_y=True, as_frame=True)
comparison = compare(X, y, contenders="quick", cv=5, random_state=0, verbose=0)
figure, axes = plt.subplots(1, 2, figsize=(12, 3.8), layout="constrained")
comparison.plot(ax=axes[0])
classifier = AdaptiveHybridClassifier(random_state=0).fit(X, y)
AdaptationDisplay.from_estimator(classifier, ax=axes[1])
figure.savefig(Path(__file__).with_name("readme.png"), dpi=110)
