"""How the committee's networks are trained. The only room with Keras and TensorFlow.

The epoch loop, its batches and learning rate schedules, the compiled training program,
the network, and the orthogonalized updates. Imported by ``fit``, never by
``import skadaptive``.

May import: ``losses``, ``adaptation``, ``_committee.state``, ``_features``, Keras,
TensorFlow.
"""
