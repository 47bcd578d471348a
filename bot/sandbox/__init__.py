"""A fake Slack and a fake Videos server, as strict as the real ones."""
