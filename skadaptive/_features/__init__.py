"""From the columns of a table to the inputs of the network.

Categories are one-hot encoded, numbers are scaled and piecewise linearly encoded, and
the relevance of each feature sets the learning rate of its inputs.

May import: the helpers (``_packages``, ``_sklearn_compat``, ``_typing``,
``_warnings``), NumPy, SciPy, pandas, scikit-learn.
"""
