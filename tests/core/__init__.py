"""The bot's core: what runs without a network or a database."""
