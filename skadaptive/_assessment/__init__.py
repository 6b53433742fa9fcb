"""What both ``compare`` and ``evaluate`` measure with.

The measures and their bootstrap intervals, cross-validation of contenders, paired tests
over folds, the answers of any fitted binary classifier, and counts by threshold.

May import: ``classifier`` and everything below it in the layers of ``pyproject.toml``,
NumPy, SciPy, pandas, scikit-learn; no Keras and no imbalanced-learn.
"""
