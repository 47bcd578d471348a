"""The Videos API: create a video, poll its status, download the file."""
