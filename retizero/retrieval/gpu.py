"""The vectors of a gallery on a GPU, where faiss-gpu is installed and sees one."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from retizero.retrieval.index_kinds import probed_of

MOST_RESULTS = 2_048  # of one query: the limit of FAISS on a GPU


def is_there() -> bool:
    """Whether FAISS can use a GPU."""
    count = getattr(faiss, "get_num_gpus", None)  # faiss-cpu of some platforms has no such function
    return count is not None and count() > 0


def copy_to_gpu(vectors: NDArray[np.floating[Any]], kind: str, index: faiss.Index | None) -> faiss.Index:
    """Copy vectors, or their inverted lists, to all GPUs.

    Args:
        vectors: (N, D) as stored.
        kind: ``flat``, ``fp16`` or ``ivf``; FAISS has no graphs on a GPU.
        index: The ``ivf`` index; None for the others.
    """
    library: Any = faiss
    options = library.GpuMultipleClonerOptions()
    options.useFloat16 = kind == "fp16"
    options.shard = True  # the GPUs share the vectors
    if index is None:
        index = faiss.IndexFlatIP(vectors.shape[1])
        for start in range(0, len(vectors), 65_536):
            index.add(np.ascontiguousarray(vectors[start : start + 65_536], np.float32))
    on_gpu: Any = library.index_cpu_to_all_gpus(index, options)
    if kind == "ivf":
        library.GpuParameterSpace().set_index_parameter(
            on_gpu, "nprobe", probed_of(library.extract_index_ivf(index).nlist)
        )
    copied: faiss.Index = on_gpu
    return copied
