# The service in one image: dependencies by hash, no compiler, no root.
# It needs a PostgreSQL 16 to 18 in LEDGER_DATABASE_URL (docker-compose.yml brings one), or a
# volume at /data, where the embedded one then lives.

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /build
COPY requirements/runtime.txt requirements/
RUN python -m venv /opt/ledger \
    && /opt/ledger/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY ledger ledger
COPY projections projections
COPY api api
RUN /opt/ledger/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:${PYTHON}-slim
RUN groupadd --system ledger \
    && useradd --system --gid ledger --no-create-home --shell /usr/sbin/nologin ledger \
    && install -d -o ledger -g ledger -m 0700 /data
COPY --from=build /opt/ledger /opt/ledger
ENV PATH=/opt/ledger/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LEDGER_HOME=/data \
    LEDGER_HOST=0.0.0.0
USER ledger
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('LEDGER_PORT', '8000') + '/health/ready', timeout=4)"]
ENTRYPOINT ["ledger"]
CMD ["serve"]
