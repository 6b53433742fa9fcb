"""Wide and sparse tables: time and average precision beside other classifiers.

    python benchmarks/wide.py tables 2000 2000    # rows, features; --kind few
    python benchmarks/wide.py documents           # --documents 20000 --terms 50000

The tables are made. Of "few" ten features matter, of "steps" twelve by a threshold;
"weak" has as many weak ones as features, and "groups" repeats twenty with noise. A
tenth of the rows is rare. The documents have about 60 terms each, with the frequencies
of Zipf's law; 1 % are rare, and a share of their terms comes from 300 of middle
frequency. As many rows are kept from training for the average precision. Times are
processor time of one process.
"""

import argparse
import os
import resource
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.neural_network import MLPClassifier

from skadaptive import AdaptiveHybridClassifier


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="what", required=True)
    tables = commands.add_parser("tables")
    tables.add_argument("rows", type=int)
    tables.add_argument("features", type=int)
    tables.add_argument("--kind", choices=KINDS, default="few")
    documents = commands.add_parser("documents")
    documents.add_argument("--documents", type=int, default=20_000)
    documents.add_argument("--terms", type=int, default=50_000)
    documents.add_argument("--share", type=float, default=0.06)
    for command in (tables, documents):
        command.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    AdaptiveHybridClassifier(max_epochs=1).fit(*made_table(200, 5, "few", 0))
    if chosen.what == "tables":
        X, y = made_table(2 * chosen.rows, chosen.features, chosen.kind, chosen.seed)
        others = {"histogram boosting": HistGradientBoostingClassifier(random_state=0)}
    else:
        X, y = made_documents(
            2 * chosen.documents, chosen.terms, chosen.share, chosen.seed
        )
        others = {
            "logistic regression": LogisticRegression(max_iter=1000),
            "logistic regression, C=10": LogisticRegression(C=10, max_iter=1000),
            "MLPClassifier": MLPClassifier(
                (64, 64, 64), early_stopping=True, random_state=0
            ),
        }
    half = len(y) // 2
    train, test = slice(half), slice(half, None)
    if chosen.what == "documents":
        weights = TfidfTransformer().fit(X[train])
        X = weights.transform(X)
    ours = {"ours": AdaptiveHybridClassifier(random_state=chosen.seed)}
    for name, classifier in {**ours, **others}.items():
        memory, start = _peak(), time.process_time()
        classifier.fit(X[train], y[train])
        seconds, memory = time.process_time() - start, _peak() - memory
        proba = classifier.predict_proba(X[test])[:, 1]
        precision = average_precision_score(y[test], proba)
        print(
            f"{name:26} {seconds:7.1f} s  {memory:6.0f} MB more  "
            f"average precision {precision:.4f}",
            flush=True,
        )


def made_table(n_rows, n_features, kind, seed):
    """Features and labels of a dense table."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features))
    logit = KINDS[kind](rng, X) + 0.5 * rng.normal(size=n_rows)
    return X, (logit > np.quantile(logit, 0.9)).astype(int)


def _few(rng, X):
    shown = X[:, : min(8, X.shape[1] - 2)]
    linear = shown @ rng.normal(size=shown.shape[1])
    return linear + 1.5 * (X[:, -1] > 1) + np.abs(X[:, -2])


def _steps(rng, X):
    X[:, :50] = np.exp(1.5 * X[:, :50])
    return (np.where(X[:, :12] > 1.5, 1.0, -0.3) * np.resize([-1, 1], 12)).sum(axis=1)


def _groups(rng, X):
    hidden = rng.normal(size=(len(X), 20))
    X *= 0.7
    X += hidden[:, np.arange(X.shape[1]) % 20]
    return hidden[:, :5] @ rng.normal(size=5) + 1.5 * (hidden[:, 5] > 1)


def _weak(rng, X):
    return X @ rng.normal(size=X.shape[1]) * 3 / np.sqrt(X.shape[1])


KINDS = {"few": _few, "steps": _steps, "groups": _groups, "weak": _weak}


def made_documents(n_documents, n_terms, share, seed, rare=0.01, n_topic=300):
    """Counts of terms, sparse, and labels."""
    rng = np.random.default_rng(seed)
    frequency = 1 / np.arange(1, n_terms + 1)
    y = (rng.random(n_documents) < rare).astype(int)
    middle = np.arange(n_terms // 500, n_terms * 2 // 5)
    topic = rng.choice(middle, min(n_topic, len(middle) // 2), replace=False)
    rows = np.repeat(np.arange(n_documents), rng.poisson(60, n_documents) + 5)
    terms = rng.choice(n_terms, len(rows), p=frequency / frequency.sum())
    of_topic = (y[rows] == 1) & (rng.random(len(rows)) < share)
    terms[of_topic] = rng.choice(topic, of_topic.sum())
    names = rng.permutation(n_terms)
    shape = n_documents, n_terms
    return csr_matrix((np.ones(len(rows)), (rows, names[terms])), shape), y


def _peak():
    """Largest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
