"""Requests that come together are answered together, each with its own answer."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import numpy as np
import pytest

from retizero.serving.batching import Batcher, BusyError


class Model:
    """Answers the mean of a photograph; waits until it is let go on, and counts its passes."""

    def __init__(self, started=None, go=None):
        self.sizes, self.started, self.go = [], started, go

    def __call__(self, pixels):
        self.sizes.append(len(pixels))
        if self.started is not None and len(self.sizes) == 1:
            self.started.set()
            assert self.go.wait(20)
        if (pixels < 0).any():
            raise ValueError("negative pixels")
        return pixels.mean(axis=(1, 2, 3))[:, None]


def photograph(value, count=1, side=4):
    return np.full((count, 3, side, side), value, np.float32)


def test_twenty_threads_share_few_passes_and_each_gets_its_own_answer():
    started, go = Event(), Event()
    model = Model(started, go)
    batcher = Batcher(model, most=16)
    with ThreadPoolExecutor(21) as pool:
        first = pool.submit(batcher, photograph(100))
        assert started.wait(20)
        others = [pool.submit(batcher, photograph(n)) for n in range(20)]
        while len(batcher._waiting) < 20:
            pass
        go.set()
        assert first.result().item() == 100
        assert [other.result().item() for other in others] == list(range(20))
    assert model.sizes == [1, 16, 4]


def test_many_rounds_of_many_threads_lose_and_mix_nothing():
    batcher = Batcher(Model(), most=8)
    barrier = Barrier(12)

    def ask(thread):
        barrier.wait()
        return [
            batcher(photograph(thread * 100 + n, count=1 + n % 3)).ravel().tolist()
            == [thread * 100 + n] * (1 + n % 3)
            for n in range(50)
        ]

    with ThreadPoolExecutor(12) as pool:
        assert all(all(each) for each in pool.map(ask, range(12)))


def test_a_request_alone_is_answered_at_once_and_a_large_one_whole():
    model = Model()
    batcher = Batcher(model, most=4)
    assert batcher(photograph(3, count=9)).shape == (9, 1)
    assert model.sizes == [9]


def test_photographs_of_another_size_go_in_a_pass_of_their_own():
    started, go = Event(), Event()
    model = Model(started, go)
    batcher = Batcher(model)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(batcher, photograph(1))
        assert started.wait(20)
        others = [pool.submit(batcher, photograph(2)), pool.submit(batcher, photograph(3, side=8))]
        while len(batcher._waiting) < 2:
            pass
        go.set()
        assert [each.result().item() for each in (first, *others)] == [1, 2, 3]
    assert model.sizes == [1, 1, 1]


def test_an_error_reaches_its_callers_and_the_next_request_is_answered():
    batcher = Batcher(Model())
    with pytest.raises(ValueError, match="negative"):
        batcher(photograph(-1))
    assert batcher(photograph(5)).item() == 5


def test_one_bad_request_spoils_no_answer_of_those_that_shared_its_pass():
    started, go = Event(), Event()
    model = Model(started, go)
    batcher = Batcher(model)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(batcher, photograph(1))
        assert started.wait(20)
        others = [pool.submit(batcher, photograph(value)) for value in (2, -1, 3)]
        while len(batcher._waiting) < 3:
            pass
        go.set()
        assert first.result().item() == 1
        assert others[0].result().item() == 2
        assert others[2].result().item() == 3
        with pytest.raises(ValueError, match="negative"):
            others[1].result()
    assert model.sizes == [1, 3, 1, 1, 1]


def test_requests_beyond_the_bound_are_refused_in_a_sentence_and_those_waiting_are_answered():
    started, go = Event(), Event()
    batcher = Batcher(Model(started, go), most_waiting=3)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(batcher, photograph(1))
        assert started.wait(20)
        waiting = pool.submit(batcher, photograph(2, count=3))
        while len(batcher._waiting) < 1:
            pass
        with pytest.raises(BusyError, match="ask again"):
            batcher(photograph(3))
        go.set()
        assert first.result().item() == 1
        assert waiting.result().shape == (3, 1)
    assert batcher(photograph(4)).item() == 4
