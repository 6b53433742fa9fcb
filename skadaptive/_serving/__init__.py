"""Predictions over HTTP.

``rows`` reads and checks the rows of a request, ``model`` is a model file in use,
``recent`` holds the last rows of all workers and their drift, ``metrics`` counts,
``app`` is the application of one worker, and ``server`` starts and watches the workers.

May import: ``_prediction`` and everything below, but neither Keras nor
imbalanced-learn. FastAPI, uvicorn and prometheus-client only here.
"""
