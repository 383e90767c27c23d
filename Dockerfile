# Otvet as an image: `docker build -t otvet .`; compose.yaml runs two of them. It needs nothing from the network when it
# runs, and writes to /data alone, so its root may be read-only.
FROM python:3.12-slim-bookworm AS build

# What is installed beside the program; compose.yaml needs `shared`
ARG EXTRAS=shared,otel
# Only torch's CPU build: PyPI's brings CUDA along, some 4 GB
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY . .
# The embedding model is written out here, once, so that a replica starts in a second and writes no cache
RUN python -m venv /opt/otvet \
    && /opt/otvet/bin/pip install --extra-index-url "$TORCH_INDEX" ".[$EXTRAS]" \
    && /opt/otvet/bin/python -c "from pathlib import Path; from index.bundled import bundled_model_path; bundled_model_path(Path('/opt/otvet/cache'))"

FROM python:3.12-slim-bookworm

COPY --from=build /opt/otvet /opt/otvet
# By number, so that an orchestrator can tell that it is not root
RUN install -d -o 10001 -g 10001 /data /access /models
# Files of names and hashes; somebody has to be asked who they are, as the address is not this machine's alone
# hadolint ignore=DL3064
ENV PATH=/opt/otvet/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    OTVET_HOST=0.0.0.0 \
    OTVET_DATA_DIR=/data \
    OTVET_CACHE_DIR=/opt/otvet/cache \
    OTVET_API_TOKENS=/access/tokens.json \
    OTVET_CHAT_MODEL=none \
    OTVET_DRAIN_S=10 \
    OTVET_LOG_FORMAT=json
USER 10001:10001
WORKDIR /data
VOLUME ["/data", "/access"]
EXPOSE 7860
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/ready', timeout=4)"]
ENTRYPOINT ["otvet"]
CMD ["serve"]
