"""A Slack bot: `/video a timelapse of clouds` becomes a finished video in a thread."""
