"""ONNX graphs of fitted classifiers, from the columns of a table to probabilities.

``graph`` has the nodes and ``table`` the columns. ``preparation`` makes nodes of
transformers, ``committee`` of this package's networks and ``classifiers`` of those of
scikit-learn. ``decision`` says from which probability a class is predicted, and
``converter`` lets skl2onnx convert pipelines.

May import: ``_assessment``, ``contenders``, ``classifier`` and what these may import;
onnx only inside functions.
"""
