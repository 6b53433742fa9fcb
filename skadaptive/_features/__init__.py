"""From the columns of a table to the inputs of the network.

Categories are one-hot encoded, numbers are scaled and piecewise linearly encoded, and
the relevance of each feature sets the learning rate of its inputs.

May import: NumPy, SciPy, pandas, scikit-learn, ``_sklearn_compat`` and ``_typing``.
"""
