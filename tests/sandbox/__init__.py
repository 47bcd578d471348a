"""The sandbox itself: as strict as the real Slack and the real Videos servers."""
