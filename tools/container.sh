#!/usr/bin/env bash
# Builds the CPU image of the Dockerfile without a Docker daemon or registry, runs it as compose.yaml does, and looks
# whether it is shut. As root on Debian: apt-get install buildah podman runc mmdebstrap. About 6 minutes.
#
# The base image is made of Debian's own packages under the name that the Dockerfile asks for: it stands in for
# python:3.11-slim-bookworm here and is not what is shipped.
#   MOUNTS="/opt/wheels my.conf:/etc/pip.conf"  lends folders to the build, such as those where this machine's pip looks
#   TORCH_INDEX=                        where torch comes from; empty: from pip's own sources
set -euo pipefail
cd "$(dirname "$0")/.."
PORT=${PORT:-8501}
TORCH_INDEX=${TORCH_INDEX-https://download.pytorch.org/whl/cpu}
MOUNTS=${MOUNTS:-}
NAME=titanscope-check-$$
WORK=$(mktemp -d)
export STORAGE_DRIVER=${STORAGE_DRIVER:-overlay}
podman() { command podman --cgroup-manager cgroupfs "$@"; }
cleanup() {
  podman rm -f "$NAME" >/dev/null 2>&1 || true
  podman volume rm -f "$NAME" >/dev/null 2>&1 || true
  rm -rf "$WORK"
}
trap cleanup EXIT
step() { echo "== $*"; }
must() { # must WHAT COMMAND...: the command ends well
  local what=$1
  shift
  if "$@" >"$WORK/out" 2>&1; then echo "pass  $what"; else echo "FAIL  $what"; tail -5 "$WORK/out"; exit 1; fi
}
must_not() {
  local what=$1
  shift
  if "$@" >"$WORK/out" 2>&1; then echo "FAIL  $what"; exit 1; else echo "pass  $what"; fi
}

step "base"
if ! buildah inspect docker.io/library/python:3.11-slim-bookworm >/dev/null 2>&1; then
  mmdebstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$WORK/base.tar"
  printf 'FROM scratch\nADD base.tar /\n' >"$WORK/Base"
  buildah bud --isolation chroot --format docker -q -t docker.io/library/python:3.11-slim-bookworm -f "$WORK/Base" "$WORK"
fi

step "build"
lent=()
for path in $MOUNTS; do case $path in *:*) lent+=(--volume "$path:ro") ;; *) lent+=(--volume "$path:$path:ro") ;; esac; done
began=$SECONDS
buildah bud --isolation chroot --format docker --pull-never --network host --layers=false "${lent[@]}" \
  --build-arg "TORCH_INDEX=$TORCH_INDEX" --target cpu -t titanscope:cpu . >"$WORK/build.log" 2>&1 || { tail -30 "$WORK/build.log"; exit 1; }
echo "built in $((SECONDS - began)) s, $(podman image inspect titanscope:cpu --format '{{.Size}}') bytes"

step "run"
podman volume create "$NAME" >/dev/null
began=$(date +%s%N)
podman run -d --name "$NAME" --no-healthcheck --runtime runc --network host --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 \
  --read-only --tmpfs /tmp:size=512m,mode=1777 --cap-drop ALL --security-opt no-new-privileges --memory 2g --stop-timeout 60 \
  -v "$NAME:/data:U" -e STREAMLIT_SERVER_ADDRESS=127.0.0.1 -e "STREAMLIT_SERVER_PORT=$PORT" titanscope:cpu >/dev/null
inside() { podman exec "$NAME" "$@"; }
for _ in $(seq 240); do inside python3 -m app.serving.check >/dev/null 2>&1 && break; sleep 0.25; done
health() { podman image inspect titanscope:cpu --format '{{.Config.Healthcheck}}' | grep -q app.serving.check; }
must "the image has its own check" health
must "ready after $((($(date +%s%N) - began) / 1000000)) ms" inside python3 -m app.serving.check
page() { python3 -c "import sys, urllib.request as u; r = u.urlopen('http://127.0.0.1:$PORT/compare', timeout=5); sys.exit(b'root' not in r.read())"; }
must "the page is served" page
must "the user is 10001" test "$(inside id -u)" = 10001
must_not "the app cannot be written" inside touch /srv/titanscope/app/x
must_not "packages cannot be written" inside touch /opt/venv/x
must "runs can be written" inside touch /data/runs/x
must "no capability is left" inside grep -q '^CapEff:.0000000000000000$' /proc/1/status
must "no new privileges" inside grep -q '^NoNewPrivs:.1$' /proc/1/status
must "the settings are those of streamlit_config.toml, the environment's before them" inside python3 -c \
  "from app.serving.settings import settings as s; v = s(); assert v['client.showErrorDetails'] == 'none' and v['server.port'] == $PORT and v['logger.level'] == 'info'"
must_not "another name is refused" python3 -c \
  "import urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:$PORT/', headers={'Host': 'evil.example'}), timeout=5)"
run=$(cat <<'PY'
from app.jobs import Job
from app.jobs.local import LocalEngine
import time
e = LocalEngine()
r = e.submit(Job("mag", "The lamp was lit at six. " * 40, "check"))
while (at := e.progress(r)).live: time.sleep(0.1)
print(at); e.close()
assert at.state == "done", at
PY
)
must "a run works within" inside python3 -c "$run"
began=$(date +%s%N)
podman stop "$NAME" >/dev/null
echo "stopped after $((($(date +%s%N) - began) / 1000000)) ms"
must "it ended with 0" test "$(podman inspect "$NAME" --format '{{.State.ExitCode}}')" = 0
podman logs "$NAME" >"$WORK/log" 2>&1
must "its log is lines of JSON" python3 -c "import json; [json.loads(x) for x in open('$WORK/log') if not x.startswith('Titanscope: ')]"
echo "all passed on $(date -u +%F)"
