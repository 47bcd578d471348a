"""End-to-end tests: the real bot with the sandbox's Slack and Videos server."""
