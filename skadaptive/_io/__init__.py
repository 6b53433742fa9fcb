"""Files: tables as people bring them, model files, and writing without half a file.

May import: ``_parameters``, for the rule that names the rare class, ``_packages``,
``_typing``, NumPy, pandas, scikit-learn; skops only inside functions.
"""
