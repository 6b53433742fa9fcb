"""Measurements that ``compare`` and ``evaluate`` share.

This room has the measures and their bootstrap intervals, cross-validation of
contenders, paired tests over folds, the predictions of any fitted binary classifier,
and confusion counts by threshold.

May import: ``classifier`` and everything below it in the layers of ``pyproject.toml``,
NumPy, SciPy, pandas, scikit-learn; no Keras and no imbalanced-learn.
"""
