"""A pretend Slack: one workspace, its Web API, Socket Mode, file host, and the people in it."""

from bot.sandbox.slack.server import SlackSandbox

__all__ = ["SlackSandbox"]
