"""Hostile input of every kind: no tracebacks, no leaks, no blocked event loop."""
