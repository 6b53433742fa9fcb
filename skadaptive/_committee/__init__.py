"""The committee without Keras: its rows, what held-out rows decide, its predictions.

This room has the folds, resampling, the score and the monitor of the training,
calibration, the decision threshold, prediction in NumPy, and the state from which
training continues.

May import: ``_features``, ``_parameters``, ``adaptation``, ``thresholds``, the helpers
(``_packages``, ``_sklearn_compat``, ``_typing``, ``_warnings``), NumPy, SciPy, pandas,
scikit-learn. It has no Keras, so a fitted estimator predicts without it.
"""
