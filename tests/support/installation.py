"""Installs the bot in a test's workspace according to its manifest."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import yaml

from bot.app import Bot
from bot.sandbox.world import World

MANIFEST = yaml.safe_load((Path(__file__).parents[2] / "manifest.yml").read_text())
SCOPES = frozenset(MANIFEST["oauth_config"]["scopes"]["bot"])
OPTIONAL_SCOPES = frozenset(MANIFEST["oauth_config"]["scopes"]["bot_optional"])

RunBot = Callable[..., AbstractAsyncContextManager[Bot]]


def install(world: World) -> None:
    """Grant only the required scopes, and subscribe to the manifest's events."""
    world.slack.workspace.scopes = {*SCOPES}
    world.slack.workspace.subscriptions = {
        *MANIFEST["settings"]["event_subscriptions"]["bot_events"]
    }
    world.slack.workspace.app_home = MANIFEST["features"]["app_home"]
