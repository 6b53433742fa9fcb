"""What both ``compare`` and ``evaluate`` measure with.

The measures and their bootstrap intervals, cross-validation of contenders, paired tests
over folds, the answers of any fitted binary classifier, and counts by threshold.

May import: ``classifier``, ``thresholds``, ``_committee``, ``_features``,
``_parameters``, the helpers (``_packages``, ``_sklearn_compat``, ``_typing``,
``_warnings``), ``_version``, NumPy, SciPy, pandas, scikit-learn.
"""
