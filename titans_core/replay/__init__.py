"""Slabs that are computed in buffers which stay where they are, so that a GPU repeats them as one CUDA graph.

A slab is thousands of small kernels, each shorter than the time to ask for it; a graph asks for all of them at once.
Nothing but numbers in the buffers may differ from slab to slab, so a slab is read the usual way where something else
does: where a text begins or ends, where a moment of the memory is kept, where settings name a token of the stream.
`TITANSCOPE_GRAPHS=0` in the environment turns it off.
"""

from titans_core.replay.replays import Replays

__all__ = ["Replays"]
