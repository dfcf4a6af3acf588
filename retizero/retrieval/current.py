"""The gallery that a server answers from, always in its latest state."""

from __future__ import annotations

import threading

from retizero.retrieval.gallery import Gallery


class CurrentGallery:
    """Follows a gallery that others add to, remove from, or build again. Thread-safe.

    Args:
        gallery: A state of it.
    """

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._lock = threading.Lock()

    def now(self) -> Gallery:
        """Return the latest state: opened only where something changed.

        A state that was returned before goes on answering as it was; a gallery that cannot be opened any
        more is answered from its last good state.
        """
        with self._lock:
            self._gallery = self._gallery.latest_or_this()
            return self._gallery
