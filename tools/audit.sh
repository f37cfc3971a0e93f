#!/usr/bin/env bash
# The licences of what the app installs, and known faults of every version (pip-audit, which asks PyPI, then OSV).
# Where neither answers, the audit is skipped, and that is said; a known fault ends it with 1.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=$1
"$PYTHON" tools/licences.py
TOOL=$(mktemp -d)
trap 'rm -rf "$TOOL"' EXIT
# in a place of its own: it is not the app's
"$PYTHON" -m venv "$TOOL/venv"
if ! timeout 90 "$TOOL/venv/bin/python" -m pip install --quiet "pip-audit==2.10.1" 2>/dev/null; then
  echo "audit skipped: pip-audit could not be installed"
  exit 0
fi
"$PYTHON" -m pip freeze --exclude-editable | sed 's/+cpu$//; /@ file/d' >"$TOOL/installed"
for service in pypi osv; do
  status=0
  timeout 120 "$TOOL/venv/bin/pip-audit" --no-deps --disable-pip -s "$service" -r "$TOOL/installed" \
    >"$TOOL/said" 2>&1 || status=$?
  unknown=$(grep -c "could not be audited" "$TOOL/said" || true)
  answered=$(($(wc -l <"$TOOL/installed") - unknown))
  if grep -qE "^Found [0-9]+ known" "$TOOL/said"; then
    cat "$TOOL/said"
    exit 1
  elif [ "$status" = 0 ] && [ "$answered" -gt 5 ]; then
    echo "audit by $service: no known faults in $answered packages, $unknown not known to it"
    exit 0
  fi
done
echo "audit skipped: neither PyPI's nor OSV's list of known faults answers here"
