"""Files: tables, model files, JSON values, and writing that leaves no half a file.

May import: ``_parameters``, for the rule that names the rare class, ``_packages``,
``_typing``, NumPy, pandas, scikit-learn; skops only inside functions.
"""
