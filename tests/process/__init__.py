"""The bot in separate processes: start, stop, crash and recovery."""
