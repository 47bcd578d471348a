"""The Videos servers that jobs belong to: the current one, and the one before it."""

import httpx
import structlog

from bot.config import Settings
from bot.errors import ServerUnusable
from bot.videos.client import VideosClient

log = structlog.get_logger()


class VideosServers:
    """Finds the client of a job's own server, whose videos no other server knows."""

    def __init__(self, current: VideosClient, *previous: VideosClient) -> None:
        self.current = current
        self._by_host = {client.server: client for client in (*previous, current)}
        self._unknown: set[str] = set()

    @classmethod
    def from_settings(
        cls, settings: Settings, http: httpx.AsyncClient, *, retry_scale: float = 1.0
    ) -> "VideosServers":
        """Clients of the configured servers."""
        current = VideosClient.from_settings(settings, http, retry_scale=retry_scale)
        if settings.openai_previous_base_url is None:
            return cls(current)
        key = settings.openai_previous_api_key or settings.openai_api_key
        previous = settings.model_copy(
            update={
                "openai_base_url": settings.openai_previous_base_url,
                "openai_api_key": key,
            }
        )
        return cls(current, VideosClient.from_settings(previous, http, retry_scale=retry_scale))

    def of(self, host: str | None) -> VideosClient:
        """The client of this host, as recorded in a job; of the current one before that.

        Raises:
            ServerUnusable: no configured server has this host.
        """
        if host is None:
            return self.current
        host = host.rpartition("@")[2]  # earlier versions stored the URL's credentials, too
        if (client := self._by_host.get(host)) is not None:
            return client
        if host not in self._unknown:
            self._unknown.add(host)
            log.error(
                "jobs belong to a server that is no longer configured: set "
                "OPENAI_PREVIOUS_BASE_URL to finish them",
                server=host,
            )
        raise ServerUnusable(
            f"This video was started at {host}, which is no longer configured.",
            code="server_changed",
        )
