"""How the committee's networks are trained. The only room with Keras and TensorFlow.

This room has the epoch loop, its batches and learning rate schedules, the compiled
training program, the network, and the orthogonalized updates. ``import skadaptive``
loads ``plan``, ``batches`` and ``schedules``, which use NumPy alone. The other modules
are loaded by the first fit, inside a function: ``loop``, ``network``,
``orthogonalization`` and ``tensorflow_program`` import Keras or TensorFlow.

May import: ``losses``, ``_committee``, ``_features``, ``_parameters``, ``adaptation``,
the helpers (``_packages``, ``_sklearn_compat``, ``_typing``, ``_warnings``), NumPy,
scikit-learn, Keras, TensorFlow. It uses ``_committee.state`` alone of ``_committee``.
"""
