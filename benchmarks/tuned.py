"""Boosted trees tuned with Optuna, the strongest rivals of ``quality.py``."""

import time

import numpy as np
import optuna
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold, train_test_split
from tables import text_columns

#: Rows that the search sees at most, folds, and trees at most.
MOST_ROWS, N_FOLDS, MOST_TREES = 10_000, 3, 1000
#: Trees without a better log loss after which a fit of the search ends.
PATIENCE = 50


class TunedBoosting(ClassifierMixin, BaseEstimator):
    """The settings of highest average precision over inner folds, then one fit.

    Optuna's TPE sampler proposes the settings, the library's defaults first. The number
    of trees is the mean of what early stopping kept in the inner folds.

    Parameters
    ----------
    library : {"lightgbm", "catboost"}
    seconds : float
        No trial starts when the search has taken so much processor time.
    trials : int, default=50
        Trials at most.
    random_state : int, default=0

    Attributes
    ----------
    out_of_fold_ : tuple of ndarray of shape (n_searched_rows,)
        Labels, and probabilities by the best trial.
    trials_ : int
        Trials finished.
    """

    def __init__(self, library, seconds, trials=50, random_state=0):
        self.library = library
        self.seconds = seconds
        self.trials = trials
        self.random_state = random_state

    def fit(self, X, y):
        """X is a DataFrame, whose text columns are categories, or an array."""
        start = time.process_time()
        self.classes_ = np.unique(y)
        library = {"lightgbm": LightGBM, "catboost": CatBoost}[self.library]
        X_search, y_search = X, y
        if len(y) > MOST_ROWS:
            X_search, _, y_search, _ = train_test_split(
                X, y, train_size=MOST_ROWS, stratify=y, random_state=self.random_state
            )
        splitter = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
        splits = list(splitter.split(X_search, y_search))
        rows_of = library.rows
        best = -np.inf

        def objective(trial):
            nonlocal best
            proba, trees = np.empty(len(y_search)), []
            settings = library.settings(trial)
            for train, held in splits:
                model = library.make(
                    self.random_state, **settings, n_estimators=MOST_TREES
                )
                X_held, y_held = rows_of(X_search, held), y_search[held]
                library.fit_early(
                    model, rows_of(X_search, train), y_search[train], X_held, y_held
                )
                proba[held] = model.predict_proba(X_held)[:, 1]
                trees.append(library.n_trees(model))
            score = np.mean(
                [
                    average_precision_score(y_search[held], proba[held])
                    for _, held in splits
                ]
            )
            if score > best:
                best = score
                self.out_of_fold_ = y_search, proba
                self._chosen = settings | {
                    "n_estimators": max(round(np.mean(trees)), 1)
                }
            return score

        def out_of_time(study, _):
            if time.process_time() - start > self.seconds:
                study.stop()

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=0)
        )
        study.enqueue_trial(library.defaults)
        study.optimize(objective, n_trials=self.trials, callbacks=[out_of_time])
        self.trials_ = len(study.trials)
        self.model_ = library.make(self.random_state, **self._chosen)
        library.fit(self.model_, X, y)
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X)


class LightGBM:
    """Search space about that of Gorishniy et al. (2021, NeurIPS), of numbers only."""

    defaults = {
        "learning_rate": 0.1,
        "num_leaves": 31,
        "min_child_samples": 20,
        "subsample": 1.0,
        "colsample_bytree": 1.0,
        "reg_lambda": 1e-3,
    }

    @staticmethod
    def rows(X, index):
        return X[index]

    @staticmethod
    def settings(trial):
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "num_leaves": trial.suggest_int("num_leaves", 4, 256, log=True),
            "min_child_samples": trial.suggest_int(
                "min_child_samples", 1, 100, log=True
            ),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
            "reg_lambda": trial.suggest_float("reg_lambda", 1e-3, 30, log=True),
        }

    @staticmethod
    def make(seed, **settings):
        from lightgbm import LGBMClassifier

        return LGBMClassifier(
            random_state=seed, n_jobs=1, verbose=-1, subsample_freq=1, **settings
        )

    @staticmethod
    def fit_early(model, X, y, X_held, y_held):
        from lightgbm import early_stopping

        stop = early_stopping(PATIENCE, verbose=False)
        model.fit(X, y, eval_set=[(X_held, y_held)], callbacks=[stop])

    @staticmethod
    def fit(model, X, y):
        model.fit(X, y)

    @staticmethod
    def n_trees(model):
        return model.best_iteration_ or MOST_TREES


class CatBoost:
    """Native categories; search space about that of Gorishniy et al. (2021)."""

    defaults = {
        "learning_rate": 0.05,
        "depth": 6,
        "l2_leaf_reg": 3.0,
        "random_strength": 1.0,
        "bagging_temperature": 1.0,
    }

    @staticmethod
    def rows(X, index):
        return X.iloc[index]

    @staticmethod
    def settings(trial):
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "depth": trial.suggest_int("depth", 3, 9),
            "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 0.5, 30, log=True),
            "random_strength": trial.suggest_float(
                "random_strength", 0.1, 10, log=True
            ),
            "bagging_temperature": trial.suggest_float("bagging_temperature", 0, 2),
        }

    @staticmethod
    def make(seed, **settings):
        from catboost import CatBoostClassifier

        return CatBoostClassifier(
            random_state=seed,
            thread_count=1,
            verbose=0,
            allow_writing_files=False,
            bootstrap_type="Bayesian",  # of which bagging_temperature is a setting
            **settings,
        )

    @staticmethod
    def fit_early(model, X, y, X_held, y_held):
        model.fit(
            X,
            y,
            cat_features=text_columns(X),
            eval_set=(X_held, y_held),
            early_stopping_rounds=PATIENCE,
        )

    @staticmethod
    def fit(model, X, y):
        model.fit(X, y, cat_features=text_columns(X))

    @staticmethod
    def n_trees(model):
        return model.tree_count_
