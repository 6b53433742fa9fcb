"""What becomes of a column before the network sees it.

Categories become indicator columns, numbers are scaled and encoded piecewise linearly,
and each feature gets its relevance, from which its learning rate follows.

May import: NumPy, SciPy, pandas, scikit-learn. Nothing else of this package.
"""
