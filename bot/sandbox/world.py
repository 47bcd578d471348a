"""The world of one bot: a fake Slack and a fake Videos server, on loopback."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from bot.sandbox.changes import Changes
from bot.sandbox.faults import Faults
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.videos import VideosSandbox


class World:
    """Both servers, running inside `async with`; `until` waits for a change in either.

    `limits`: Slack enforces its rate limits.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        *,
        limits: bool = False,
        **videos: Any,  # noqa: ANN401 -- options of VideosSandbox
    ) -> None:
        self.changes = Changes()
        self.faults = Faults()
        self.slack = SlackSandbox(self.changes, self.faults, clock=clock, limits=limits)
        self.videos = VideosSandbox(self.changes, self.faults, clock=clock, **videos)
        self.until = self.changes.until

    async def __aenter__(self) -> Self:
        await self.slack.start()
        await self.videos.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.videos.stop()
        await self.slack.stop()

    def environment(self, database_url: str) -> dict[str, str]:
        """Return the environment variables for an unmodified bot in this world."""
        return {
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "SLACK_API_URL": self.slack.api_url,
            "SLACK_FILE_HOSTS": f"{self.slack.host}:{self.slack.port}",
            "OPENAI_API_KEY": self.videos.api_key,
            "OPENAI_BASE_URL": self.videos.base_url,
            "DATABASE_URL": database_url,
        }
