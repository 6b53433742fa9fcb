"""Who trains on which rows, what held-out rows decide, and how a committee predicts.

Folds, resampling, the score and the monitor of the training, calibration, the decision
threshold, prediction in NumPy and the state from which training goes on.

May import: ``_features``, ``adaptation``, ``thresholds``, NumPy, SciPy, pandas,
scikit-learn. No Keras: a fitted estimator predicts without it.
"""
