"""The measurements of ``compare`` and ``evaluate``.

They are the measures and their bootstrap intervals, cross-validation of contenders,
paired tests over folds, predictions of any fitted binary classifier, and counts by
threshold.

May import: ``classifier``, ``thresholds``, ``_committee``, ``_features``, NumPy, SciPy,
pandas, scikit-learn.
"""
