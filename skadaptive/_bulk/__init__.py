"""Predictions of many files, each of which may be larger than memory.

``files`` finds the inputs and names their outputs, ``scoring`` predicts one file chunk
by chunk, ``journal`` records what is complete, and ``run`` takes the files in turn or
hands them to a Dask cluster.

May import: ``_prediction`` and everything below, but neither Keras nor
imbalanced-learn; pyarrow only inside functions.
"""
