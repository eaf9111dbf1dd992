# syntax=docker/dockerfile:1
# Matinee in a container: every verb of the command line, without root.
#
#   docker build -t matinee .                          for a CPU
#   docker build -t matinee:cuda --build-arg TORCH=cuda .   for NVIDIA GPUs; run it with --gpus all
#   docker run --rm -v "$PWD":/data matinee retrain --ratings ratings.csv --titles titles.csv --store store
ARG PYTHON=3.11
ARG TARGETARCH=amd64

FROM python:${PYTHON}-slim-bookworm AS build
# `cpu`: the small build of torch. `cuda`: the build of PyPI, which brings the libraries of CUDA.
ARG TORCH=cpu
WORKDIR /app
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY schemas schemas
COPY tasks tasks
COPY flows flows
COPY src src
COPY prefect.yaml ./
RUN python -m venv /opt/matinee \
 && case "$TORCH" in \
      cpu) extra=--extra-index-url=https://download.pytorch.org/whl/cpu ;; \
      cuda) extra= ;; \
      *) echo "TORCH is cpu or cuda, not $TORCH" >&2; exit 1 ;; \
    esac \
 && /opt/matinee/bin/pip install --no-cache-dir --disable-pip-version-check --constraint requirements.lock \
      ${extra:+"$extra"} --editable '.[pipeline,serve,tune,sql,sign]'

# The loops are compiled for a family of processors, not for the one that builds the image: they are then found again on any
# machine. x86-64-v3 has AVX2 (2013 and later).
FROM python:${PYTHON}-slim-bookworm AS on-amd64
ENV NUMBA_CPU_NAME=x86-64-v3 NUMBA_CPU_FEATURES=
FROM python:${PYTHON}-slim-bookworm AS on-arm64
ENV NUMBA_CPU_NAME=generic NUMBA_CPU_FEATURES=

# hadolint ignore=DL3006
FROM on-${TARGETARCH}
LABEL org.opencontainers.image.title="matinee" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/matinee /opt/matinee
COPY --from=build /app /app
ENV PATH=/opt/matinee/bin:$PATH \
    HOME=/var/lib/matinee \
    PREFECT_HOME=/var/lib/matinee/prefect \
    PREFECT_UI_STATIC_DIRECTORY=/var/lib/matinee/ui \
    MPLCONFIGDIR=/var/lib/matinee/matplotlib \
    NUMBA_CACHE_DIR=/var/cache/matinee \
    PYTHONUNBUFFERED=1
RUN useradd --system --uid 10001 --home-dir /var/lib/matinee matinee \
 && install -d -o matinee -g matinee -m 1777 /var/lib/matinee /var/cache/matinee /data
USER 10001
# A small run fills the cache of compiled loops and of fonts, so that the first run of a container starts like any later one.
RUN matinee sample --out /tmp/warm/sample --ratings 20000 \
 && matinee retrain --ratings /tmp/warm/sample/ratings.csv --titles /tmp/warm/sample/movie_titles.csv --store /tmp/warm/store \
 && matinee recommend --store /tmp/warm/store --all --top 5 --out /tmp/warm/lists.parquet \
 && rm -rf /tmp/warm /var/lib/matinee/prefect \
 && chmod -R a+rwX /var/lib/matinee /var/cache/matinee
WORKDIR /data
VOLUME /data
ENTRYPOINT ["matinee"]
CMD ["--help"]
