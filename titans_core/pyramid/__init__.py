"""Any zoom of a long run from a few thousand numbers: bins of 128, 1,024, 8,192 ... tokens, stored as the run goes.

A store of `layout.LONG` tokens or more holds `pyramid/<tokens a bin>/<variable>`, float64 (row, statistic, bin), for
every variable of (layer, token) and of (token) but the ids. Rows are the layers, then all layers put together as
`sum_layers` does (the extremes of a norm over all layers cannot be had from bins of each); variables of the output have
one row. Statistics are `table.STATISTICS`: infinite values take no part in min, mean and max and are counted, and so
undefined ones are known too. `peak`, the token of the highest value, lets a page jump there without reading the bin.
Each level is eight times coarser than the one below, up to the first that fits in one stored chunk. Every level covers
every token, so its last bin may be partial.
"""

from titans_core.pyramid.read import Layer, attach, bins
from titans_core.pyramid.table import Bins
from titans_core.pyramid.write import PyramidWriter

__all__ = ["Bins", "Layer", "PyramidWriter", "attach", "bins"]
