"""What a fitted estimator keeps in order to go on training."""

from dataclasses import replace

import numpy as np
import pytest

from skadaptive._committee.state import (
    CommitteeState,
    NetworkLayout,
    OutOfFoldBuffer,
    Seeds,
    TrainingState,
)


def rows(n_rows, label=0):
    return np.zeros((n_rows, 1)), np.full(n_rows, label), np.ones(n_rows)


def kept(*sizes):
    buffer = OutOfFoldBuffer()
    for size in sizes:
        buffer = buffer.append(*rows(size))
    assert buffer.n_seen == sum(sizes)
    return [len(call.y) for call in buffer.calls]


def test_the_latest_half_of_the_rows_is_kept():
    assert kept(100) == [100]
    assert kept(100, 100) == [100]
    assert kept(*[100] * 10) == [100] * 5
    assert kept(1000, 10) == [1000, 10]
    assert kept(10, 1000) == [1000]


def test_the_only_rows_of_a_class_are_kept():
    buffer = OutOfFoldBuffer().append(*rows(100, label=1)).append(*rows(100))
    assert len(buffer.calls) == 2
    assert np.unique(buffer.y).tolist() == [0, 1]


def test_many_rows_are_subsampled_at_their_weight(rng):
    y = (np.arange(300_000) < 3_000).astype(int)  # in order
    call = rng.normal(size=(300_000, 1)), y, np.ones(300_000)
    buffer = OutOfFoldBuffer().append(*call)
    buffer = OutOfFoldBuffer(2 * buffer.calls, 600_000).subsampled()
    assert len(buffer.y) == len(buffer.logits) == len(buffer.weight) == 100_000
    for call in buffer.calls:
        assert call.n_rows == 300_000 and len(np.unique(call.logits)) == 50_000
        assert call.weight.sum() == pytest.approx(300_000, rel=1e-3)
        assert np.average(call.y) == pytest.approx(0.01, rel=0.2)
    assert buffer.subsampled() is buffer


def test_a_long_stream_forgets_its_early_chunks():
    buffer = OutOfFoldBuffer()
    for call in range(30):
        logits, y = np.full((40_000, 1), call), np.arange(40_000) % 2
        buffer = buffer.append(logits, y, np.ones(40_000)).subsampled()
    calls = [int(call.logits[0, 0]) for call in buffer.calls]
    assert calls == list(range(15, 30))


def test_calibration_uses_all_rows_of_a_fit(quick, binary, monkeypatch):
    """Though not all are kept; rare rows may come first."""
    monkeypatch.setattr("skadaptive._committee.state._MOST_ROWS", 100)
    X, y = binary
    order = np.argsort(-y, kind="stable")
    model = quick().fit(X[order], y[order])
    assert len(model._state.out_of_fold.y) == 100
    monkeypatch.undo()
    assert model.threshold_ == quick().fit(X[order], y[order]).threshold_


@pytest.mark.parametrize("hidden", [(), (5,), (5, 4)])
def test_layout_of_the_parameters(hidden):
    layout = NetworkLayout(3, 2, 4, 1, hidden, 2, "relu")
    n_inputs = 3 + 2 * 4
    units = [n_inputs, *hidden, 1]
    assert layout.shapes[0] == (n_inputs,)
    assert layout.shapes[1::2] == list(zip(units[:-1], units[1:], strict=True))
    assert layout.shapes[2::2] == [(n,) for n in units[1:]]
    assert layout.sizes == [int(np.prod(shape)) for shape in layout.shapes]
    # The four bins of a feature count once.
    assert layout.fan_in == [3 + 2, *hidden]
    kernels = [layout.shapes[i] for i in layout.hidden_kernels]
    assert kernels == layout.shapes[1:-2:2]


@pytest.mark.parametrize("hidden", [(), (4,), (4, 5)])
@pytest.mark.parametrize(("rare", "n_classes"), [(0, 2), (1, 2), (0, 3)])
def test_networks_that_predict_are_what_training_continues_from(
    rare, n_classes, hidden, rng
):
    """They predict the second class, and were trained on the rare one."""
    layout = NetworkLayout(3, 0, 0, 1 if n_classes == 2 else 3, hidden, 2, "relu")
    by_shape = [rng.normal(size=(2, *shape)) for shape in layout.shapes]
    by_shape[0][0, 0] = 1.0
    steps = [np.full((2, size), i + 1.0) for i, size in enumerate(layout.sizes)]
    training = TrainingState(
        layout=layout,
        parameters=np.hstack([part.reshape(2, -1) for part in by_shape]).ravel(),
        averages=[np.hstack([part.reshape(2, -1) for part in by_shape]).ravel()],
        step_sizes=np.hstack(steps).ravel(),
        optimizer="{}",
        optimizer_state=[np.ones(3)],
        n_steps=7,
        batch_size=32,
    )
    state = CommitteeState(Seeds(0, 1, 2, 3), rare, np.ones(n_classes))
    state = replace(state, training=training, out_of_fold=OutOfFoldBuffer((), 5))
    assert state.kept(np.float64, continues=True).training is training
    left = state.kept(np.float64, continues=False)
    scales, kernels, biases = by_shape[0], by_shape[1::2], by_shape[2::2]
    kernels = [scales[:, :, None] * kernels[0], *kernels[1:]]
    if (rare, n_classes) == (0, 2):
        kernels[-1], biases[-1] = -kernels[-1], -biases[-1]
    resumed = left.resumed(kernels, biases).training
    np.testing.assert_allclose(resumed.parameters, training.parameters)
    np.testing.assert_allclose(resumed.averages, training.averages)
    np.testing.assert_array_equal(resumed.step_sizes, training.step_sizes)
    assert (resumed.optimizer_state, resumed.n_steps) == (None, 7)
    assert state.resumed(kernels, []) is state
