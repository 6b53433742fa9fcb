"""Files: tables as people bring them, model files, and writing without half a file.

May import: ``_parameters``, whose rule for the rare class the command follows,
``_version``, NumPy, pandas, scikit-learn; skops only inside functions.
"""
