"""Hostile input of every kind: no traceback, no leak, no frozen event loop."""
