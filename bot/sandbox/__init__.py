"""A pretend Slack and a pretend Videos server, as strict as the real ones."""
