# docker build -t titanscope . && docker run --rm -p 8501:8501 titanscope
# Without an NVIDIA GPU: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu saves several GB.
FROM python:3.11-slim

ARG TORCH_INDEX=
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /srv/titanscope

# torch first: this layer stays when the code changes
COPY constraints.txt .
RUN pip install -c constraints.txt ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} torch

COPY pyproject.toml README.md LICENSE streamlit_config.toml ./
COPY titans_core titans_core
COPY app app
COPY assets assets
# editable: one copy of code and assets, samples included
RUN pip install -c constraints.txt -e ".[app]" && useradd --create-home titanscope

USER titanscope
# with a name of its own, streamlit does not ask an outside host for its address
ENV STREAMLIT_SERVER_ADDRESS=0.0.0.0 STREAMLIT_BROWSER_SERVER_ADDRESS=localhost
EXPOSE 8501
HEALTHCHECK --start-period=30s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=3)"]
CMD ["python", "-m", "app"]
