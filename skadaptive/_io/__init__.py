"""Files: tables as people bring them, model files, and writing without half a file.

May import: ``_version``, NumPy, pandas, scikit-learn. Nothing else of this package;
skops only inside functions.
"""
