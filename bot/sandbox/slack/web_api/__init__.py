"""The Web API: a file for each family of methods, each method beside its argument rules.

The facts come from docs.slack.dev, which has a page for each method. Arguments that the bot
doesn't use (attachments, file_ids, ...) are refused as unknown, so that nothing relies on them.
"""

from bot.sandbox.slack.web_api.dispatch import WebApi

__all__ = ["WebApi"]
