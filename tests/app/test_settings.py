"""One file of settings, read the same way by the command, these tests and the container; the environment wins."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from app.serving import check, policy
from app.serving.settings import CONFIG, settings, streamlits

ROOT = Path(__file__).parents[2]


def test_the_file_shuts_the_doors() -> None:
    values = settings()
    assert values["server.address"] == "127.0.0.1"
    assert values["server.allowedHosts"] == ["localhost", "127.0.0.1", "::1"]
    assert values["server.enableCORS"] is values["server.enableXsrfProtection"] is True
    assert values["server.enableAgentApi"] is values["server.enableStaticServing"] is False
    assert values["client.showErrorDetails"] == "none"
    assert values["browser.gatherUsageStats"] is False
    assert values["titanscope.metrics"] is False
    assert not [name for name in streamlits(values) if name.startswith("titanscope.")]


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("STREAMLIT_SERVER_PORT", "9000", "server.port", 9000),
        ("STREAMLIT_SERVER_ADDRESS", "192.0.2.1", "server.address", "192.0.2.1"),
        ("STREAMLIT_SERVER_ALLOWED_HOSTS", '["dash.example.org"]', "server.allowedHosts", ["dash.example.org"]),
        ("STREAMLIT_SERVER_MAX_UPLOAD_SIZE", "20", "server.maxUploadSize", 20),
        ("STREAMLIT_LOGGER_LEVEL", "info", "logger.level", "info"),
        ("TITANSCOPE_METRICS", "true", "titanscope.metrics", True),
    ],
)
def test_a_variable_wins_over_the_file(
    variable: str, text: str, name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings()[name] != value
    monkeypatch.setenv(variable, text)
    assert settings()[name] == value


def test_nothing_else_sets_what_the_file_sets() -> None:
    """The container differs in what a container must: where it listens, its own name, how much it logs."""
    image = (ROOT / "Dockerfile").read_text()
    assert set(re.findall(r"STREAMLIT_\w+", image)) == {
        "STREAMLIT_SERVER_ADDRESS",
        "STREAMLIT_BROWSER_SERVER_ADDRESS",
        "STREAMLIT_LOGGER_LEVEL",
    }
    assert "STREAMLIT_" not in (ROOT / "compose.yaml").read_text() + (ROOT / "Makefile").read_text()
    assert not (ROOT / ".streamlit").exists()


def test_the_image_is_shut() -> None:
    image, compose = (ROOT / "Dockerfile").read_text(), (ROOT / "compose.yaml").read_text()
    for part in ("USER 10001:10001", "STOPSIGNAL SIGTERM", "HEALTHCHECK", 'ENTRYPOINT ["python3", "-m", "app"]'):
        assert part in image
    for part in ('"127.0.0.1:8501:8501"', "read_only: true", "cap_drop: [ALL]", "no-new-privileges:true"):
        assert part in compose
    stages = re.findall(r"^FROM \S+ AS (\w[\w-]*)$", image, re.MULTILINE)
    assert stages[-2:] == ["cuda", "cpu"], "the last one is the default"


def test_the_check_of_a_container_asks_the_port_of_the_file() -> None:
    assert check.CONFIG == CONFIG
    env = {"STREAMLIT_SERVER_PORT": "9"}  # nothing listens there
    done = subprocess.run(
        [sys.executable, "-m", "app.serving.check"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no answer on port 9" in done.stderr
    assert tomllib.loads(CONFIG.read_text())["server"]["port"] == 8501


def test_what_the_policy_allows() -> None:
    allowed = dict(part.split(" ", 1) for part in policy.content_policy().split("; "))
    assert allowed.pop("default-src") == allowed.pop("base-uri") == allowed.pop("frame-ancestors") == "'none'"
    scripts = allowed.pop("script-src").split()
    assert scripts[:2] == ["'self'", "blob:"]
    assert len(scripts) == 3, "Streamlit's one inline script by its hash"
    assert "unsafe" not in " ".join(value for name, value in allowed.items() if name != "style-src")
    assert not re.search(r"http|\*", " ".join(allowed.values())), "nothing from other hosts"
