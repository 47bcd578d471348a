"""A fake Slack: one workspace, its Web API, Socket Mode, file host and people."""

from bot.sandbox.slack.server import SlackSandbox

__all__ = ["SlackSandbox"]
