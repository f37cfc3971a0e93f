"""The memory over time: what its weights are like at up to 64 moments of a run, evenly spaced over the text.

A moment is the state after so many tokens; the first is the start, before any, the last is after the last token. What
is kept of it is small (`measure.VARIABLES`), not the weights. In a store it is the group `moments`; of a trace in
memory or on disk, `moments(ds)` gives it as a Dataset of its own. `collect` gathers it while a run goes. That needs
torch, the rest does not.
"""

from titans_core.moments.measure import Path, effective_rank, path
from titans_core.moments.stored import attach, moments, write

__all__ = ["Path", "attach", "effective_rank", "moments", "path", "write"]
