"""The sandbox as a web page: a Slack workspace in the browser, with the real bot in it."""
