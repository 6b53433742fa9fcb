"""
Quickstart: a rare class, and the baselines
===========================================

``AdaptiveHybridClassifier`` beside what a data scientist would try anyway, on bundled
data of which 3.6 % are rare: the ranking with its intervals, how the loss weights moved
during training, and what each threshold would give.

The first of the three is one command for a table of your own::

    skadaptive compare FILE.csv --target COLUMN --report report.html
"""

# sphinx_gallery_thumbnail_number = 2

# %%
# Which classifier ranks best?
# ----------------------------
#
# All of them see the same folds. Scaling and resampling are learnt inside the folds.
# The paired tests below the table say which differences may be luck.

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

X, y = load_rare("digits", return_X_y=True, as_frame=True)
comparison = compare(X, y, contenders="quick", cv=3, random_state=0, verbose=0)
print(comparison)

# %%
comparison.plot()
plt.show()

# %%
# One fit
# -------
#
# Neither the network nor its threshold has seen the test rows. ``evaluate`` gives its
# measures on them, with bootstrap intervals.

X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.4, stratify=y, random_state=0
)
classifier = AdaptiveHybridClassifier(random_state=0).fit(X_train, y_train)
print(evaluate(classifier, X_test, y_test, random_state=0))

# %%
# The loss weights follow the score of the held-out rows:

AdaptationDisplay.from_estimator(classifier)
plt.show()

# %%
# Precision and recall at every threshold, and the one that was tuned out of fold:

ThresholdDisplay.from_estimator(classifier, X_test, y_test)
plt.show()
