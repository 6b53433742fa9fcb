"""How the predictions of a fitted classifier depend on the features.

This room has the predictions of a classifier for rows that did not train it, tables
whose columns are mixed from several rows, features that belong together, permutation
importance with its intervals, partial dependence, Shapley values by sampling, and their
wording.

May import: ``_assessment`` and everything below it in the layers of ``pyproject.toml``,
NumPy, SciPy, pandas, scikit-learn; no Keras and no imbalanced-learn.
"""
