"""Changes between the training of a saved model and new rows, and whether by chance.

``bins`` puts rows into the bins of the training, ``periods`` cuts them by time,
``stability`` compares counts, ``shares`` estimates the share of the rare class without
labels, ``measures`` compares what labels show, ``breaches`` says what has changed and
since when, after a correction for the number of tests, and ``tables`` puts it together.

May import: ``_saving``, ``drift`` and everything below; no Keras, no imbalanced-learn.
"""
