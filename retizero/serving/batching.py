"""Concurrent requests share one pass through the model.

There is no waiting: who finds the model free leads, and takes along everything that queued up while the
model was busy. A request alone is answered at once; twenty at once need a few passes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from retizero.model.errors import ModelError

Floats = NDArray[np.float32]


class BusyError(ModelError):
    """More requests wait than the model can answer in sensible time."""


class _Request:
    """Pixels of one caller and, in time, their embeddings or what went wrong."""

    def __init__(self, pixels: Floats) -> None:
        self.pixels = pixels
        self.embeddings: Floats | None = None
        self.error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.embeddings is not None or self.error is not None


class Batcher:
    """Calls a model for several threads at a time.

    Args:
        encode: Takes (N, 3, S, S), returns (N, D); never called by two threads at once.
        most: Photographs in one pass; a single request may have more.
        most_waiting: Photographs that may wait; further requests are refused. Bounds memory, 0.6 MB each at
            224 pixels.
    """

    def __init__(self, encode: Callable[[Floats], Floats], most: int = 16, most_waiting: int = 512) -> None:
        self._encode = encode
        self._most, self._most_waiting = most, most_waiting
        self._waiting: deque[_Request] = deque()
        self._queue, self._model = Lock(), Lock()

    def __call__(self, pixels: Floats) -> Floats:
        """Embed (N, 3, S, S): (N, D).

        What the model raises about a request is raised to its caller alone: when a shared pass fails, each
        request gets a pass of its own.

        Raises:
            BusyError: Too much waits already.
        """
        mine = _Request(pixels)
        with self._queue:
            if self._waiting and sum(len(each.pixels) for each in self._waiting) >= self._most_waiting:
                raise BusyError("The model has too much to do at this moment; ask again in a minute.")
            self._waiting.append(mine)
        while not mine.done:
            with self._model:
                if not mine.done:
                    self._answer(self._next())
        if mine.error is not None:
            raise mine.error
        assert mine.embeddings is not None
        return mine.embeddings

    def _next(self) -> list[_Request]:
        """The oldest requests that fit one pass together: of one shape, at most ``most`` photographs."""
        with self._queue:
            batch = [self._waiting.popleft()]
            size = len(batch[0].pixels)
            while self._waiting:
                following = self._waiting[0].pixels
                if following.shape[1:] != batch[0].pixels.shape[1:] or size + len(following) > self._most:
                    break
                batch.append(self._waiting.popleft())
                size += len(following)
        return batch

    def _answer(self, batch: list[_Request]) -> None:
        try:
            every = self._encode(np.concatenate([request.pixels for request in batch]))
        except BaseException as error:
            if len(batch) == 1 or not isinstance(error, Exception):
                for request in batch:
                    request.error = error
            else:
                for request in batch:
                    self._answer([request])
            return
        ends = np.cumsum([len(request.pixels) for request in batch])[:-1]
        for request, part in zip(batch, np.split(every, ends), strict=True):
            request.embeddings = part
