#!/usr/bin/env bash
# Known faults of the installed packages (pip-audit, which asks PyPI or OSV) and a list of their licences.
# Without network, or where the service does not answer, the audit is skipped and said to be.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=$1
"$PYTHON" tools/licences.py
TOOL=$(mktemp -d)
trap 'rm -rf "$TOOL"' EXIT
# in a place of its own: it would be audited too, and it is not the app's
"$PYTHON" -m venv "$TOOL/venv"
if ! "$TOOL/venv/bin/python" -m pip install --quiet "pip-audit==2.10.1"; then
  echo "audit skipped: pip-audit could not be installed"
  exit 0
fi
"$PYTHON" -m pip freeze --exclude-editable | sed 's/+cpu$//; /@ file/d' >"$TOOL/installed.txt"
status=0
"$TOOL/venv/bin/pip-audit" --no-deps --disable-pip -r "$TOOL/installed.txt" 2>"$TOOL/said" || status=$?
cat "$TOOL/said"
if grep -qiE "connection|timed out|resolve|service unavailable|ServiceError|HTTPError" "$TOOL/said"; then
  echo "audit skipped: the service of known faults does not answer here"
  exit 0
fi
exit $status
