#!/bin/sh
# Make a virtual environment with the first Python that is new enough: tools/venv.sh FOLDER
set -eu

for python in python3.13 python3.12 python3.11 python3 python; do
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Making $1 with $("$python" --version)."
    if "$python" -m venv "$1"; then
      exit 0
    fi
    rm -rf "$1"
    echo "$python cannot make virtual environments. On Debian or Ubuntu: apt-get install python3-venv" >&2
    exit 1
  fi
done
echo "Titanscope needs Python 3.11 or newer, and none was found. Install it from python.org or your package manager." >&2
exit 1
