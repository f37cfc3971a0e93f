#!/bin/sh
# Make sure there is a Chromium for the browser tests, installing one if need be: tools/browser.sh PYTHON
set -eu

system() {
  for name in chromium google-chrome chromium-browser; do
    "$name" --version >/dev/null 2>&1 && return
  done
  return 1
}

bundled() {
  "$1" -c 'import os, sys
from playwright.sync_api import sync_playwright
with sync_playwright() as p:
    sys.exit(not os.path.exists(p.chromium.executable_path))'
}

as_root() { [ "$(id -u)" = 0 ]; }

if system || bundled "$1"; then
  exit 0
fi
if as_root && command -v apt-get >/dev/null; then
  echo "Installing Chromium for the browser tests with apt-get."
  export DEBIAN_FRONTEND=noninteractive
  { apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium >/dev/null; } || true
  if system; then
    exit 0
  fi
fi
echo "Installing Chromium for the browser tests with playwright."
# --with-deps also installs system libraries, on the systems it knows and as root
{ as_root && "$1" -m playwright install --with-deps chromium; } || "$1" -m playwright install chromium || true
if bundled "$1"; then
  exit 0
fi
echo "No browser could be installed. Install chromium or google-chrome, so that it is on PATH, and try again." >&2
exit 1
