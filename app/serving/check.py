"""`python -m app.serving.check`: ask the server of this machine or container whether it is ready; ends with 0 or 1."""

from __future__ import annotations

import os
import sys
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

CONFIG = Path(__file__).absolute().parents[2] / "streamlit_config.toml"


def main() -> None:
    # Without Streamlit's own reader, whose import takes longer than a check may.
    port = (
        os.environ.get("STREAMLIT_SERVER_PORT") or tomllib.loads(CONFIG.read_text(encoding="utf-8"))["server"]["port"]
    )
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/titanscope/ready", timeout=4) as reply:
            print(reply.read().decode())
    except urllib.error.HTTPError as error:
        sys.exit(f"not ready: {error.read(200).decode(errors='replace')}")
    except OSError as error:
        sys.exit(f"no answer on port {port}: {error}")


if __name__ == "__main__":
    main()
