"""Files: tables, JSON values, and atomic writing.

May import: ``_parameters``, for the rule that names the rare class, the helpers
(``_packages``, ``_sklearn_compat``, ``_typing``, ``_warnings``), NumPy, pandas,
scikit-learn.
"""
