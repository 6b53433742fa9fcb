"""Model files: one container for every model, and what is stored beside the model.

``model_files`` writes and reads them. ``container`` is the file itself, ``schema`` is
:class:`~skadaptive.AdaptiveHybridClassifier` as plain arrays and JSON, ``other_models``
are all other contenders by skops, and ``reference`` is what explanations, costs and
monitoring need of the training. Reading a file runs no code that the file brings.

May import: ``contenders``, ``classifier`` and everything below, but not
``_assessment``; skops only inside functions.
"""
