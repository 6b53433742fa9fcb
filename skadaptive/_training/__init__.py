"""How the committee's networks are trained. The only room with Keras and its backends.

This room has the choice of the backend, the epoch loop, its batches and learning rate
schedules, a compiled training program for TensorFlow and one for JAX, the network, and
the orthogonalized updates. ``import skadaptive`` loads ``backend``, ``plan``,
``batches`` and ``schedules``, which import no backend. The first fit loads the others,
inside a function. ``network``, ``orthogonalization`` and ``tensorflow_program`` are
made of Keras and TensorFlow; the modules of JAX begin with ``jax_``, and import Keras
for its rarer optimizers alone.

May import: ``losses``, ``_committee``, ``_features``, ``_parameters``, ``adaptation``,
the helpers (``_packages``, ``_sklearn_compat``, ``_typing``, ``_warnings``), NumPy,
scikit-learn, Keras, TensorFlow, JAX. It uses ``_committee.state`` alone of
``_committee``.
"""
