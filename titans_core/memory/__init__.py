"""The neural long-term memory and nothing else."""

from titans_core.memory import equations as equations
from titans_core.memory.scan import memory_scan as memory_scan
from titans_core.memory.types import MemoryScan as MemoryScan
