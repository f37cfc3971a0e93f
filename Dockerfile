# docker compose up                          the CPU image, published on 127.0.0.1:8501 only
# docker build --target cuda -t titanscope:cuda .    for an NVIDIA GPU; run it with --gpus all
# compose.yaml has the flags of a shut container; docs/reliability.md what they were checked with.

FROM python:3.11-slim-bookworm AS base
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/titanscope

FROM base AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv /opt/venv
COPY constraints.txt ./

# torch first and apart: these layers stay when anything else changes
FROM build AS torch-cpu
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install -c constraints.txt ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch

FROM build AS torch-cuda
RUN pip install -c constraints.txt torch

FROM torch-cpu AS cpu-packages
COPY pyproject.toml README.md LICENSE ./
COPY assets assets
COPY titans_core titans_core
ARG EXTRAS=app,sign-in
RUN pip install -c constraints.txt -e ".[$EXTRAS]"

FROM torch-cuda AS cuda-packages
COPY pyproject.toml README.md LICENSE ./
COPY assets assets
COPY titans_core titans_core
ARG EXTRAS=app,sign-in
RUN pip install -c constraints.txt -e ".[$EXTRAS]"

FROM base AS runtime
RUN groupadd --gid 10001 titanscope \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin titanscope \
 && install -d -o 10001 -g 10001 -m 0750 /data /shared
COPY LICENSE README.md pyproject.toml streamlit_config.toml ./
COPY assets assets
COPY titans_core titans_core
COPY app app
# What differs from streamlit_config.toml, which stays the one source of everything else.
# With a name of its own, Streamlit does not ask an outside host for its address.
ENV STREAMLIT_SERVER_ADDRESS=0.0.0.0 STREAMLIT_BROWSER_SERVER_ADDRESS=localhost STREAMLIT_LOGGER_LEVEL=info \
    TITANSCOPE_RUNS=/data/runs HOME=/tmp
USER 10001:10001
VOLUME /data
EXPOSE 8501
STOPSIGNAL SIGTERM
# alive is /_stcore/health; ready also needs the worker and a disk that is not full
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python3", "-m", "app.serving.check"]
ENTRYPOINT ["python3", "-m", "app"]

FROM runtime AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=cuda-packages /opt/venv /opt/venv

FROM runtime AS cpu
COPY --from=cpu-packages /opt/venv /opt/venv
