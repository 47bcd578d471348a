"""The bot in processes of its own: start, stop, crash, recovery."""
