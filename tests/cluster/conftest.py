"""A real Ray cluster for these tests: a head and a second raylet on this machine, with a token, ended with the session.

They need the extra `cluster`, so plain `make test` leaves this folder out; `make test-cluster` runs it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

ROOT = Path(__file__).absolute().parents[2]
# Ray reads these when it is first imported, and its processes inherit them.
os.environ |= {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # else it takes 127.0.0.1 for the address of this machine outside
    "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
}
OBJECTS = 100 * 1024**2  # bytes of the object store of each raylet, of which no test needs much


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Two raylets of 4 CPUs and 1 GPU each, none of which need exist: connect with ray.init(address=cluster.address).

    One process is in one cluster once: a module that connects disconnects at its end, with ray.shutdown().
    """
    import ray
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="ts-", dir="/tmp")  # the paths of its sockets must be short
    os.environ["RAY_TMPDIR"] = folder  # also keeps its address from who starts another one here
    own = {"node_ip_address": "127.0.0.1", "object_store_memory": OBJECTS}
    own |= {"num_cpus": 4, "num_gpus": 1, "include_dashboard": False}
    os.environ["TITANSCOPE_RUNS"] = f"{folder}/runs"  # of its processes; a test that stores runs itself sets its own
    started = Cluster(shutdown_at_exit=True)
    try:
        started.add_node(**own, gcs_server_port=free_port())
        started.add_node(**own)
        started.wait_for_nodes()
        yield started
    finally:
        ray.shutdown()
        started.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
