"""What stands in a channel, as tests read it."""

import json
from collections.abc import Callable

from bot.sandbox.slack.state import Conversation, Message, PrivateMessage
from bot.sandbox.world import World


class Thread:
    """What stands in a channel: the card and what was said under it."""

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
        """Whether the card says so by now."""
        return bool(self.cards) and words in shown(self.card)


def shown(message: Message | PrivateMessage) -> str:
    """All that a message holds, as one text to search in."""
    return json.dumps(message.blocks, ensure_ascii=False) + message.text


def ready(thread: Thread) -> Callable[[], bool]:
    return lambda: thread.says("*Ready*")


def failed(thread: Thread) -> Callable[[], bool]:
    return lambda: thread.says("*Failed:*")
