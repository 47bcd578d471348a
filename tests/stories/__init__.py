"""Whole stories: the real bot between the sandbox's Slack and its Videos server."""
