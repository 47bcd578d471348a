"""The Videos API: create a video, look how far it is, fetch the file."""
