# BASE must have Python 3.11 or newer with venv, in the same place in both stages.
ARG BASE=python:3.11-slim-trixie

FROM ${BASE} AS build
WORKDIR /src
COPY requirements.txt requirements-build.txt ./
RUN python3 -m venv /build \
    && /build/bin/pip install --no-cache-dir --require-hashes -r requirements-build.txt \
    && python3 -m venv /opt/video-bot \
    && /opt/video-bot/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
RUN /build/bin/python -m hatchling build -t wheel -d /wheel \
    && /opt/video-bot/bin/pip install --no-cache-dir --no-deps /wheel/*.whl

FROM ${BASE}
RUN useradd --uid 10001 --user-group --home-dir /var/lib/video-bot --no-create-home video-bot \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/video-bot
COPY --from=build /opt/video-bot /opt/video-bot
ENV PATH=/opt/video-bot/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PORT=3000
USER 10001:10001
WORKDIR /var/lib/video-bot
# The SQLite database, and a catalog.toml if you have one; unused with PostgreSQL.
VOLUME /var/lib/video-bot
EXPOSE 3000
STOPSIGNAL SIGTERM
# The start period is for migrations.
HEALTHCHECK --interval=60s --timeout=10s --start-period=60s CMD ["video-bot", "health"]
ENTRYPOINT ["video-bot"]
CMD ["run"]
