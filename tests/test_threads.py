"""Work that is divided among threads."""

import threading
import time

import pytest

from skadaptive import _threads as threads


@pytest.mark.parametrize(("n_parts", "expected"), [(3, 1), (4, 2), (50, 3)])
def test_as_many_threads_as_there_are_and_as_pay(n_parts, expected, monkeypatch):
    monkeypatch.setattr(threads, "effective_n_threads", lambda: 3)
    seen, done = set(), []

    def work(part):
        seen.add(threading.get_ident())
        time.sleep(1e-3)
        done.append(part)

    threads.for_each(work, range(n_parts), per_thread=2)
    assert sorted(done) == list(range(n_parts))
    assert len(seen) == expected
    assert expected > 1 or seen == {threading.get_ident()}


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_error_in_a_part_is_raised(n_threads, monkeypatch):
    monkeypatch.setattr(threads, "effective_n_threads", lambda: n_threads)
    with pytest.raises(ZeroDivisionError):
        threads.for_each(lambda part: 1 / part, [1, 1, 0, 1], per_thread=1)
