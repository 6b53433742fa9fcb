"""The compiled program: what it learns, how often it is traced, what it keeps."""

import gc
import itertools
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV

from skadaptive._training.loop import (
    _aligned,
    _tensor,
    auto_batch_size,
    epoch_batches,
    stratified_order,
)
from skadaptive._training.network import committee_logits
from skadaptive._training.orthogonalization import orthogonalize
from skadaptive._training.program import Architecture, Pool, Program, pool, traces

# ------------------------------------------------------------------------- batches


@pytest.mark.parametrize("sizes", [(990, 10), (500, 500), (10, 30, 60), (97, 1, 2)])
def test_order_is_a_stratified_permutation(sizes, rng):
    ends = np.cumsum(sizes)
    by_class = np.split(rng.permutation(ends[-1]), ends[:-1])
    order = stratified_order(rng, by_class)
    assert_array_equal(np.sort(order), np.arange(ends[-1]))
    y = np.empty(ends[-1], dtype=int)
    for label, rows in enumerate(by_class):
        y[rows] = label
    for n_parts in (2, 5):
        for part in np.array_split(y[order], n_parts):
            found = np.bincount(part, minlength=len(sizes))
            expected = np.array(sizes) * len(part) / ends[-1]
            # One more or less, and what other classes push over a cut.
            assert (np.abs(found - expected) <= len(sizes)).all()


def test_every_batch_of_a_rare_class_has_its_share(rng):
    order = stratified_order(rng, [np.arange(50, 12800), np.arange(50)])
    rare_rows = (order.reshape(50, 256) < 50).sum(axis=1)
    # In a random order 63 % of the batches would hold one.
    assert (rare_rows > 0).mean() > 0.65
    halves = (order.reshape(25, 512) < 50).sum(axis=1)
    assert halves.min() >= 1


def test_orders_differ_between_epochs(rng):
    by_class = [np.arange(90), np.arange(90, 100)]
    first, second = stratified_order(rng, by_class), stratified_order(rng, by_class)
    assert (first != second).any()


def test_one_epoch_is_one_pass_for_every_member(rng):
    orders = [rng.permutation(size) for size in (100, 73, 5)]
    batches = epoch_batches(orders, n_steps=7, batch_size=16, filler=100)
    assert batches.shape == (7, 3, 16)
    for member, order in enumerate(orders):
        rows = batches[:, member]
        assert_array_equal(rows[rows < 100], order)
        taken = (rows < 100).sum(axis=1)
        assert taken.max() - taken.min() <= 1


@pytest.mark.parametrize(
    ("n_rows", "batch_size"),
    [(1, 64), (300, 64), (2000, 128), (24_000, 256), (25_000, 512), (10**6, 512)],
)
def test_auto_batch_size(n_rows, batch_size):
    assert auto_batch_size(n_rows) == batch_size


# ------------------------------------------------------------------------- program


@pytest.fixture
def architecture():
    return Architecture(
        n_columns=4,
        n_encoded=2,
        n_bins=3,
        encodes=True,
        hidden_layer_sizes=(8, 8, 8),
        n_outputs=1,
        n_members=2,
        batch_size=64,
        activation="silu",
        dropout=False,
        optimizer='"adam"',
        dtype="float32",
    )


def weights_by_name(vector, architecture):
    """Views of the weights of all members: the inputs' factors, kernels and biases."""
    ends = np.cumsum([np.prod(shape) for shape in architecture.weight_shapes])
    parts = np.split(vector.reshape(2, -1), ends[:-1], axis=1)
    kinds = [f"{kind} {layer}" for layer in range(4) for kind in ("kernel", "bias")]
    names, shapes = ["factors", *kinds], architecture.weight_shapes
    return {
        name: part.reshape(2, *shape)
        for name, part, shape in zip(names, parts, shapes, strict=True)
    }


HIDDEN = ["kernel 0", "kernel 1", "kernel 2"]


@pytest.fixture
def encoding(rng):
    centers = np.sort(rng.normal(size=(2, 3))).astype("float32")
    return np.array([0, 3], "int32"), centers, np.full((2, 3), 2.0, "float32")


@pytest.fixture
def rows(rng):
    X = rng.normal(size=(65, 4)).astype("float32")
    target = np.c_[X[:, 0] > 1, np.ones(65)].astype("float32")
    X[-1] = target[-1] = 0
    return {"X": X, "target": target}


def loss(*loss_weights):
    return {
        "loss_weights": loss_weights,
        "gamma": 2.0,
        "alpha": (0.75, 0.25),
        "smooth": 1.0,
        "total_weight": (64.0, 64.0),
    }


def moved_by(program, rows, encoding, start, loss_weights, factors=None, n_steps=1):
    """How far steps of the compiled program go, always from the same start."""
    program.reset(start, np.ones_like(start) if factors is None else factors)
    batches = epoch_batches([np.arange(64)] * 2, n_steps, 64, filler=64)
    rates, mix = [0.01] * n_steps, loss(*loss_weights)
    program.train(rows, encoding, batches, rates, mix, 0.0, (0, 1))
    return program.weights - start


def test_changed_mix_changes_the_next_step(architecture, rows, encoding, rng):
    program = Program(architecture)
    start = rng.normal(scale=0.3, size=program.weights.shape)
    before = traces[architecture]
    first = moved_by(program, rows, encoding, start, (0.4, 0.4, 0.2))
    again = moved_by(program, rows, encoding, start, (0.4, 0.4, 0.2))
    other = moved_by(program, rows, encoding, start, (0.1, 0.2, 0.7))
    none = moved_by(program, rows, encoding, start, (0.0, 0.0, 0.0))
    assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4
    # Only the decay of hidden kernels is left.
    start = weights_by_name(start, architecture)
    for name, moved in weights_by_name(none, architecture).items():
        decay = 1e-3 * start[name] if name in HIDDEN else 0
        assert_allclose(moved, -decay, atol=1e-6)
    # The second program traces once, for all four mixes.
    assert traces[architecture] - before == 1


def test_a_step_is_as_far_as_the_factor(architecture, rows, encoding, rng):
    """Of Adam, whose first step is the learning rate whatever the gradient."""
    program = Program(architecture)
    start = rng.normal(scale=0.3, size=program.weights.shape)
    factors = rng.uniform(0.5, 5, size=start.shape)
    moved = moved_by(program, rows, encoding, start, (1.0, 0.0, 0.0), factors)
    decay = weights_by_name(1e-3 * start / factors, architecture)
    moved = weights_by_name(moved / factors, architecture)
    for name in HIDDEN:
        # Of some units there is no gradient, and small ones drown in epsilon.
        mean_square = np.square(moved[name] + decay[name]).mean(axis=(1, 2))
        assert (mean_square > 0.5e-4).all() and (mean_square < 1.02e-4).all()
    others = [moved[name].ravel() for name in moved if name not in HIDDEN]
    others = np.concatenate(others)
    assert np.abs(others).max() < 1.01e-2
    assert (np.abs(others) > 0.99e-2).mean() > 0.5


@pytest.mark.parametrize("n_steps", [1, 3, 4])
def test_steps_of_hidden_kernels_are_flattened(
    n_steps, architecture, rows, encoding, rng, monkeypatch
):
    """Half of that of the first, and no other weight's; up to four steps together."""
    start = rng.normal(scale=0.3, size=Program(architecture).weights.shape)

    def moved():
        program, mix = Program(architecture), (1.0, 0.0, 0.0)
        found = moved_by(program, rows, encoding, start, mix, n_steps=n_steps)
        return weights_by_name(found, architecture)

    found = moved()
    monkeypatch.setattr(
        "skadaptive._training.program.flattened", lambda steps, *_: steps
    )
    expected, start_of = moved(), weights_by_name(start, architecture)
    for name, share in zip(HIDDEN, (0.5, 1.0, 1.0), strict=True):
        decay = 1e-3 * n_steps * start_of[name]
        raw = expected[name] + decay
        made = orthogonalize(raw, share).numpy()
        assert np.abs(made - raw).max() > 1e-3
        expected[name] = made - decay
    for name, moved in found.items():
        assert_allclose(moved, expected[name], atol=2e-5, err_msg=name)


def test_every_fourth_step_and_the_last_flattens(
    architecture, rows, encoding, monkeypatch
):
    import tensorflow as tf

    times = tf.Variable(0)

    def counting(steps, share):
        times.assign_add(1)
        return orthogonalize(steps, share)

    monkeypatch.setattr("skadaptive._training.program.flattened", counting)
    program = Program(architecture)
    start = np.full_like(program.weights, 0.1)
    # Twice each: the first kernels, and the others, which are of one shape.
    for n_steps, expected in ((1, 2), (4, 2), (5, 4), (8, 4), (9, 6)):
        times.assign(0)
        moved_by(program, rows, encoding, start, (1.0, 0.0, 0.0), n_steps=n_steps)
        assert times.numpy() == expected


def test_members_do_not_touch_each_other(architecture, rows, encoding, rng):
    """A member's update depends on its own rows alone."""
    program = Program(architecture)
    start = rng.normal(scale=0.3, size=program.weights.shape)

    def update(second):
        program.reset(start, np.ones_like(start))
        batch = epoch_batches([np.arange(40), second], 1, 64, filler=64)
        program.train(rows, encoding, batch, [0.01], loss(0.4, 0.4, 0.2), 0.0, (0, 1))
        return np.split(program.weights, 2)

    a, b = update(np.arange(40)), update(np.arange(20, 60))
    assert_allclose(a[0], b[0], rtol=1e-6)
    assert np.abs(a[1] - b[1]).max() > 1e-4


def test_dropout_drops_the_share_it_should(architecture, rng):
    sizes = {"hidden_layer_sizes": (64, 32), "n_members": 1, "batch_size": 32}
    program = Program(replace(architecture, dropout=True, **sizes))
    masks, offsets = program._draw_masks(50, np.float32(0.3), np.array([1, 2]))
    assert [m.shape[1] for m in masks] == [64, 32]
    for mask in masks:
        values = mask.numpy()
        assert set(np.unique(values.round(5))) == {0.0, np.float32(1 / 0.7).round(5)}
        assert abs((values == 0).mean() - 0.3) < 0.02
    assert offsets.shape == (50, 1)
    assert len(np.unique(offsets)) > 30
    assert offsets.numpy().max() + 32 <= masks[0].shape[0]


def test_members_together_or_apart(architecture, rows, encoding, rng, monkeypatch):
    """One product for all of them or one each, with the same units dropped."""
    architecture = replace(architecture, dropout=True, dtype="float64")
    rows = {name: rows[name].astype("float64") for name in rows}
    encoding = encoding[0], *(part.astype("float64") for part in encoding[1:])
    start = rng.normal(scale=0.3, size=Program(architecture).weights.shape)
    batches = epoch_batches([np.arange(64)] * 2, 2, 64, filler=64)
    ends, together = {}, []

    def forward(*args, **kwargs):
        together.append(kwargs["together"])
        return committee_logits(*args, **kwargs)

    monkeypatch.setattr("skadaptive._training.program.committee_logits", forward)
    for n_threads, rate in ((1, 0.4), (2, 0.4), (1, 0.0)):
        monkeypatch.setattr(
            "skadaptive._training.program._intra_op_threads", lambda n=n_threads: n
        )
        program = Program(architecture)
        program.reset(start, np.ones_like(start))
        mix = loss(0.4, 0.4, 0.2)
        program.train(rows, encoding, batches, [0.01, 0.01], mix, rate, (0, 1))
        ends[n_threads, rate] = program.weights
    assert together == [True, False, True]
    assert_allclose(ends[1, 0.4], ends[2, 0.4], atol=1e-9)
    assert np.abs(ends[1, 0.4] - ends[1, 0.0]).max() > 1e-3


def test_dropout_changes_training_only(quick, binary):
    X, y = binary
    with_dropout, without = quick(dropout=0.4).fit(X, y), quick().fit(X, y)
    assert (with_dropout.predict_proba(X) != without.predict_proba(X)).any()
    assert_array_equal(with_dropout.predict_proba(X), with_dropout.predict_proba(X))


# ------------------------------------------------------------ one trace, no growth


def test_grid_search_traces_once(quick, binary):
    X, y = binary
    pool.clear()
    before = sum(traces.values())
    grid = GridSearchCV(
        quick(hidden_layer_sizes=(9,), max_epochs=2),
        {
            "gamma": [0.0, 1.0, 2.0],
            "alpha": [0.25, 0.75],
            "adaptation_rate": [0.0, 0.2],
            "learning_rate": [0.01],
        },
        cv=3,
        refit=True,
    ).fit(X, y)
    assert len(grid.cv_results_["params"]) == 12
    assert sum(traces.values()) - before == 1
    quick(hidden_layer_sizes=(9,), learning_rate=0.1, class_weight="balanced").fit(X, y)
    assert sum(traces.values()) - before == 1


def _resident_megabytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
def test_memory_does_not_grow_over_fits(quick, binary):
    X, y = binary
    for _ in range(10):
        quick(max_epochs=2).fit(X, y)
    gc.collect()
    before = _resident_megabytes()
    for _ in range(50):
        quick(max_epochs=2).fit(X, y)
    gc.collect()
    assert _resident_megabytes() - before < 10


def test_no_warning_of_retracing_over_architectures(quick, binary, caplog):
    for units in range(20, 28):
        quick(hidden_layer_sizes=(units,), max_epochs=1).fit(*binary)
    assert "retracing" not in caplog.text


def test_pool_is_bounded_and_forgets_the_oldest(architecture):
    small = Pool(2)
    kinds = [replace(architecture, n_columns=n) for n in (1, 2, 3)]
    for kind in kinds:
        with small.checkout(kind):
            pass
    assert list(small._idle) == kinds[1:]
    with small.checkout(kinds[1]) as one, small.checkout(kinds[1]) as two:
        assert one is not two


def test_program_is_dropped_after_an_error(architecture):
    pool.clear()
    with pytest.raises(KeyboardInterrupt), pool.checkout(architecture):
        raise KeyboardInterrupt
    assert architecture not in pool._idle


def test_threads_fit_the_same_architecture_correctly(quick, binary):
    X, y = binary
    expected = [quick(random_state=s).fit(X, y).predict_proba(X) for s in range(4)]
    found = [None] * 4

    def work(seed):
        found[seed] = quick(random_state=seed).fit(X, y).predict_proba(X)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_array_equal(found, expected)


# ------------------------------------------------------------------- what it learns


def test_the_average_of_the_weights_predicts(quick, binary):
    """What is kept is their moving average, 9/12, 9/13, ... of the latest epoch."""
    X, y = binary
    states = []
    # So that the first, the second and the third epoch is kept.
    for best, scores in enumerate(([3, 2, 1], [1, 3, -5], [1, 2, 3]), start=1):
        model = quick(
            max_epochs=3,
            early_stopping=False,
            adaptation_rate=0,
            scoring=lambda *_, left=iter(scores): next(left),
        ).fit(X, y)
        assert model.best_epoch_ == best
        states.append(model._state.state)
        # The bias of the output is each member's last weight.
        (kept,) = states[-1].averages
        kept = kept.reshape(3, -1)[:, -1]
        assert_allclose(model._committee.biases[-1][:, 0], kept)
    average = states[0].weights
    assert_allclose(states[0].averages[0], average)
    for state, share in zip(states[1:], (9 / 12, 9 / 13), strict=True):
        average = average + share * (state.weights - average)
        assert_allclose(state.averages[0], average, rtol=1e-5, atol=1e-7)
    assert np.abs(average - states[2].weights).max() > 1e-3


def test_rows_encoded_at_once_or_batch_by_batch(quick, binary, monkeypatch):
    X, y = binary
    at_once = quick(n_bins=5, max_epochs=2).fit(X, y).predict_proba(X)
    monkeypatch.setattr("skadaptive._training.loop._MOST_ENCODED", 0)
    by_batch = quick(n_bins=5, max_epochs=2).fit(X, y).predict_proba(X)
    assert_allclose(at_once, by_batch, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_table_of_rows_is_not_copied(dtype):
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        pytest.skip("rows are copied to the GPU")
    rows = _aligned((7, 3), dtype)
    assert rows.ctypes.data % 64 == 0 and not rows.any()
    tensor = _tensor(rows)
    rows[2, 1] = 5
    assert tensor.numpy()[2, 1] == 5


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_same_seed_same_bits(quick, binary, dropout):
    X, y = binary
    first, second = (quick(random_state=3, dropout=dropout).fit(X, y) for _ in range(2))
    assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert_array_equal(first.oof_proba_, second.oof_proba_)
    assert first.history_ == second.history_
    other = quick(random_state=4, dropout=dropout).fit(X, y)
    assert (other.predict_proba(X) != first.predict_proba(X)).any()


def test_no_global_seed_is_touched(quick, binary):
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    quick().fit(*binary)
    assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("rule", ["performance", "lookup"])
def test_rate_zero_is_the_static_mix_to_the_bit(quick, binary, rule):
    X, y = binary

    def static(scores, weights, initial_weights, rate):
        return weights

    frozen = quick(adaptation=rule, adaptation_rate=0).fit(X, y)
    moving = quick(adaptation=rule, adaptation_rate=0.5).fit(X, y)
    never = quick(adaptation=static, adaptation_rate=0).fit(X, y)
    assert_array_equal(frozen.predict_proba(X), never.predict_proba(X))
    assert_array_equal(frozen.history_["weight_focal"], [0.4] * frozen.n_iter_)
    assert moving.history_["weight_focal"] != frozen.history_["weight_focal"]


def test_adaptation_changes_what_is_learnt(quick, binary):
    """The mix moves, and from the epoch after on the network differs."""
    X, y = binary

    def to_dice(scores, weights, initial_weights, rate):
        return [0.05, 0.05, 0.9]

    kwargs = {"early_stopping": False, "max_epochs": 4}
    static = quick(adaptation_rate=0, **kwargs).fit(X, y)
    moved = quick(adaptation=to_dice, **kwargs).fit(X, y)
    assert static.history_["loss"][0] == moved.history_["loss"][0]
    assert static.history_["score"][0] == moved.history_["score"][0]
    assert static.history_["loss"][1] != moved.history_["loss"][1]
    assert_allclose(moved.history_["weight_dice"][1:], 0.9, atol=0.02)


def test_averages_three_epochs_before_and_after_the_best_predict_too(quick, binary):
    """Where there are such epochs, and 12 or more in all."""
    X, y = binary

    def fitted(best, max_epochs=13):
        # Of three scores it is the middle one that counts.
        near = {best - 2: 5.0, best - 1: 1.0, best: 9.0}
        scores = (near.get(e, 1.0 if e < best else -9.0) for e in itertools.count(1))
        model = quick(
            max_epochs=max_epochs,
            early_stopping=False,
            adaptation_rate=0,
            scoring=lambda *_: next(scores),
        ).fit(X, y)
        assert model.best_epoch_ == best
        networks = model._committee.biases[-1].reshape(3, -1)
        return networks, model._state.state.averages

    averages = {best: fitted(best)[1][0] for best in (4, 7, 10, 13)}
    for best, expected in (
        (7, [7, 4, 10]),
        (10, [10, 7, 13]),
        (13, [13, 10]),
        (1, [1, 4]),
    ):
        networks, found = fitted(best)
        assert networks.shape == (3, len(found)) and len(found) == len(expected)
        for average, epoch, bias in zip(found, expected, networks.T, strict=True):
            assert_allclose(bias, average.reshape(3, -1)[:, -1])
            if epoch in averages:
                assert_array_equal(average, averages[epoch])
    assert len(fitted(4, max_epochs=11)[1]) == 1


def test_best_epoch_is_restored(quick, binary):
    """However many worse epochs follow it."""
    X, y = binary

    def falling_from_the_fifth():
        epochs = itertools.count(1)
        return lambda *_: -abs(next(epochs) - 4)

    found = {
        patience: quick(
            max_epochs=20,
            n_iter_no_change=patience,
            scoring=falling_from_the_fifth(),
            adaptation_rate=0,
        ).fit(X, y)
        # Enough for the epoch that is third after the best, which predicts with it.
        for patience in (6, 11)
    }
    best = found[6].best_epoch_
    assert best == found[11].best_epoch_ and 4 <= best <= 6
    assert found[11].n_iter_ - found[6].n_iter_ == 11 - 6
    assert found[6].best_score_ == found[6].history_["score"][best - 1]
    assert_array_equal(found[6].predict_proba(X), found[11].predict_proba(X))


def test_equal_scores_do_not_prolong_training(quick, binary):
    """Ties choose among epochs, but a score that stands still stops the training."""
    X, y = binary
    model = quick(max_epochs=40, n_iter_no_change=3, scoring=lambda *_: 0.7)
    assert model.fit(X, y).n_iter_ == 4


def test_divergence_is_an_error(quick, binary):
    with pytest.raises(ValueError, match="Training diverged.*Lower learning_rate"):
        quick(optimizer="sgd", learning_rate=1e30, activation="relu").fit(*binary)


@pytest.mark.parametrize("name", ["adamw", "nadam", "rmsprop", "sgd", "lion"])
def test_every_optimizer_starts_afresh(quick, binary, name):
    """A program that is reused must not remember the fit before."""
    X, y = binary
    first, second = (
        quick(optimizer=name, max_epochs=2).fit(X, y).predict_proba(X) for _ in range(2)
    )
    assert_array_equal(first, second)


def test_optimizer_configuration(quick, binary):
    X, y = binary
    plain = quick(optimizer="sgd").fit(X, y).predict_proba(X)
    momentum = {"class_name": "sgd", "config": {"momentum": 0.9}}
    assert (quick(optimizer=momentum).fit(X, y).predict_proba(X) != plain).any()


def test_learning_rate_is_flat_and_then_falls(quick, binary, monkeypatch):
    """Over half of the steps each, along a cosine to 0."""
    seen, train = [], Program.train

    def spy(self, rows, encoding, batches, learning_rates, *rest):
        seen.append(learning_rates)
        return train(self, rows, encoding, batches, learning_rates, *rest)

    monkeypatch.setattr(Program, "train", spy)
    quick(max_epochs=6, early_stopping=False, learning_rate=0.1).fit(*binary)
    flat, falling = np.split(np.concatenate(seen), 2)
    assert_array_equal(flat, np.full(len(flat), 0.1))
    progress = (np.arange(len(falling)) + 0.5) / len(falling)
    assert_allclose(falling, 0.1 * np.cos(np.pi * progress / 2) ** 2)
