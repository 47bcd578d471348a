"""The messages in a channel, as tests read them."""

import asyncio
import json
from collections.abc import Callable

from bot.sandbox.slack.state import Conversation, Message, PrivateMessage
from bot.sandbox.videos.state import Video
from bot.sandbox.world import World


class Thread:
    """The messages in a channel: the card and the replies in its thread."""

    def __init__(self, world: World, channel: Conversation | None = None) -> None:
        self._workspace = world.slack.workspace
        self.channel = channel or self._workspace.videos

    @property
    def messages(self) -> list[Message]:
        return self._workspace.messages(self.channel)

    @property
    def cards(self) -> list[Message]:
        return [message for message in self.messages if not message.is_reply]

    @property
    def replies(self) -> list[Message]:
        return [message for message in self.messages if message.is_reply]

    @property
    def card(self) -> Message:
        [card] = self.cards
        return card

    def says(self, words: str) -> bool:
        """Whether the card contains this text."""
        return bool(self.cards) and words in shown(self.card)


def shown(message: Message | PrivateMessage) -> str:
    """The whole content of a message, as one text to search in."""
    return json.dumps(message.blocks, ensure_ascii=False) + message.text


async def start_rendering(world: World, prompt: str = "clouds") -> Video:
    """Request a video that stays in progress; return it once its job is rendering.

    The server has the video before the job is saved as rendering; the first poll follows both.
    """
    world.videos.hold()
    earlier = [*world.videos.creates]
    await world.slack.ada.command(prompt)
    [video] = await world.until(
        lambda: [each for each in world.videos.creates if each not in earlier]
    )
    await until_polled(world, video)
    return video


async def until_polled(world: World, video: Video) -> None:
    """Wait until the bot polls this video."""
    await world.until(
        lambda: any(
            call.operation == "retrieve" and video.id in call.path for call in world.videos.calls
        )
    )


async def until_idle() -> None:
    """Wait until the bot in this process runs no job."""
    tasks = [task for task in asyncio.all_tasks() if task.get_name().startswith("job ")]
    if tasks:
        _, running = await asyncio.wait(tasks, timeout=30)
        assert not running


def joined_at(world: World) -> float:
    """When the bot joined the only channel that it joined."""
    [join] = [call for call in world.slack.calls_of("conversations.join") if call.ok]
    return join.at


def created_at(world: World) -> float:
    """When the bot asked for the only video."""
    [create] = [call for call in world.videos.calls if call.operation == "create"]
    return create.at


def ready(thread: Thread) -> Callable[[], bool]:
    return lambda: thread.says("*Ready:*")


def failed(thread: Thread) -> Callable[[], bool]:
    return lambda: thread.says("*Failed:*")
