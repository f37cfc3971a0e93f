"""The switch to a cluster, and what is seen of one that is away; tests/cluster has the rest, on a real one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.jobs import Job, cluster, handing
from tests.app.waiting import wait_for
from titans_core.errors import ConfigError

ROOT = Path(__file__).parents[2]
TOP = {"services", "volumes", "networks", "secrets", "configs"}
OF_A_SERVICE = {"build", "image", "entrypoint", "environment", "volumes", "networks", "ports", "secrets", "configs"}
OF_A_SERVICE |= {"init", "read_only", "tmpfs", "cap_drop", "cap_add", "security_opt", "pids_limit", "mem_limit"}
OF_A_SERVICE |= {"shm_size", "stop_grace_period", "restart", "depends_on", "hostname", "healthcheck"}
LOADED = """
import sys
from app import runs
from app.runs import server
from app.jobs import cluster
print(type(runs.engine()).__name__, *sorted({name.partition(".")[0] for name in sys.modules}))
server.shut_down()
"""


def loaded(folder: Path, **environment: str) -> tuple[str, set[str]]:
    """The engine of a page process, and what it has loaded."""
    env = os.environ | {"TITANSCOPE_RUNS": str(folder)} | environment
    said = subprocess.run([sys.executable, "-c", LOADED], env=env, cwd=ROOT, capture_output=True, text=True, check=True)
    engine, *names = said.stdout.split()
    return engine, set(names)


def test_without_the_setting_jobs_run_here_and_nothing_of_ray_is_loaded(tmp_path: Path) -> None:
    engine, names = loaded(tmp_path)
    assert engine == "LocalEngine"
    assert "app" in names
    assert "ray" not in names


def test_with_it_the_page_process_still_holds_nothing_of_ray(tmp_path: Path) -> None:
    engine, names = loaded(tmp_path, TITANSCOPE_CLUSTER="127.0.0.1:6379")
    assert engine == "ClusterEngine"
    assert "ray" not in names


@pytest.mark.parametrize("told", ["6379", "ray://a:1", "head", "head:", ":6379", "head:0", "head:65536", "head:x"])
def test_an_address_that_cannot_be_meant_is_refused(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cluster.CLUSTER, told)
    with pytest.raises(ConfigError, match="give HOST:PORT"):
        cluster.address()


def test_it_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    env = os.environ | {"TITANSCOPE_RUNS": str(tmp_path), "TITANSCOPE_CLUSTER": "head"}
    said = subprocess.run([sys.executable, "-m", "app"], env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "give HOST:PORT" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_cluster_that_is_away_is_told_within_five_seconds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cluster.CLUSTER, "127.0.0.1:1")  # nobody listens there
    engine = cluster.ClusterEngine()
    try:
        run, begun = engine.submit(Job("mac", "A text.", "t")), time.monotonic()
        wait_for(lambda: not engine.progress(run).live)  # type: ignore[union-attr]
        at = engine.progress(run)
        assert at is not None
        assert at.message == "The cluster does not answer. Run it again when it is up."
        assert time.monotonic() - begun < 5
        assert engine.again(run), "it can be run again"
    finally:
        engine.close()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.cluster.yaml").read_text("utf-8"))
    return found


def test_the_compose_file_has_what_docker_compose_knows(compose: dict[str, Any]) -> None:
    assert {name for name in compose if not name.startswith("x-")} <= TOP
    for name, service in compose["services"].items():
        assert service.keys() <= OF_A_SERVICE, name
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= compose["volumes"].keys(), name
        assert set(service["networks"]) <= compose["networks"].keys(), name
        assert set(service.get("secrets", [])) <= compose["secrets"].keys(), name
        assert set(service.get("depends_on", [])) <= compose["services"].keys(), name


def test_the_compose_file_pins_its_images_and_shuts_every_container(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert "build" in service or service["image"].rpartition(":")[2][:1].isdigit(), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"], name


def test_the_compose_file_publishes_the_proxy_alone_and_nothing_of_ray(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published == {"proxy": ["127.0.0.1:8501:8501"]}
    assert compose["networks"]["cluster"]["internal"] is True
    for name, service in compose["services"].items():
        if name != "proxy":
            assert service["environment"]["RAY_AUTH_MODE"] == "token", name
            assert "ray_token" in service["secrets"], name


def test_the_images_check_is_for_what_has_a_dashboard(compose: dict[str, Any]) -> None:
    shut = {name for name, one in compose["services"].items() if one.get("healthcheck") == {"disable": True}}
    assert shut == {"head", "worker"}


@pytest.mark.parametrize(("host", "alone"), [("127.0.0.1", True), ("localhost", True), ("10.0.0.5", False)])
def test_on_loopback_ray_is_told_to_stay_there(host: str, alone: bool) -> None:
    assert (handing.settings(host).get("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER") == "0") == alone


def test_two_dashboards_share_their_results_their_lists_and_their_secret(compose: dict[str, Any]) -> None:
    one, two = (compose["services"][name] for name in ("dashboard-1", "dashboard-2"))
    assert one | {"hostname": ""} == two | {"hostname": ""}
    assert one["environment"]["TITANSCOPE_SHARED"].startswith("file:///shared")
    assert "shared:/shared" in one["volumes"]
    assert "cookie_secret" in one["secrets"]
    assert "STREAMLIT_SERVER_COOKIE_SECRET" in one["entrypoint"][-1]
    proxy = compose["configs"]["caddyfile"]["content"]
    assert "lb_policy cookie" in proxy
    assert "dashboard-1:8501 dashboard-2:8501" in proxy
