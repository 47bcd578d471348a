"""The Videos API: requests, responses, downloads."""
