"""Every duration that someone might want to change, in seconds."""

from dataclasses import dataclass

# Slack gives a listener three seconds: each of these leaves time for the acknowledgement itself.
ACK_TIMEOUT = 2.0
"""For the database, while Slack waits for an acknowledgement."""
VIEW_OPEN_TIMEOUT = 2.5
"""For `views.open`: a `trigger_id` expires three seconds after the click."""
GUEST_CHECK_TIMEOUT = 1.0
"""For asking Slack whether someone is a guest, before anything else is done."""
GUEST_CACHE = 300.0
"""How long Slack's answer to that is remembered."""
PROMPT_FILE_TIMEOUT = 1.5
"""For fetching a prompt's text file while Slack waits for an acknowledgement ..."""
FORM_SAVE_TIMEOUT = 1.0
"""... and for the database after that."""
DRAFT_SAVE_TIMEOUT = 0.5
"""For saving what someone typed, before or after what `ACK_TIMEOUT` is for."""
DRAFT_LIFETIME = 3600.0
"""How long it is kept."""
DECISION_TIMEOUT = 86400.0
"""For a person to decide about a job whose outcome nobody knows, before it counts as paid for."""

LEASE = 120.0
"""How long a claim lasts without a heartbeat."""
STOP_TIMEOUT = 8.0
"""For a graceful stop; hosts send SIGKILL after ten seconds."""
CLOSE_TIMEOUT = 1.0
"""For the last statements when the database closes ..."""
CANCEL_TIMEOUT = 1.0
"""... and for those cancelled then to give back their connections."""

OUTAGE_LEASE = 60.0
"""How long a process may take to notify an admin before another one does: longer than its calls."""
OUTAGE_MEMORY = 86400.0
"""After which an outage that nobody waits for is news again."""

CONNECT_TIMEOUT = 5.0
"""For connecting to Slack, to a Videos server or to the database."""
CLOCK_SKEW = 60.0
"""By how much the clock of Slack or of a Videos server may differ from ours.

Generous, because a larger value only searches a little further back.
"""
MAX_RETRY_DELAY = 60.0
"""Between two attempts, where the other side names no delay."""
MAX_RETRY_AFTER = 300.0
"""The longest `Retry-After` that is honored; a longer one is cut."""

SLACK_TIMEOUT = 20.0
"""For one call of Slack's Web API: less than half a lease."""
SLACK_FILE_TIMEOUT = 15.0
"""For each read of a file that a person uploaded."""
PICTURE_TIMEOUT = 60.0
"""For fetching a starting image as a whole, while the next ones wait."""
FRAME_TIMEOUT = 60.0
"""For taking a frame of a finished video, while others wait for theirs."""
UPLOAD_TIMEOUT = 60.0
"""For each write of a finished video to Slack."""
DELIVERY_CHECK_CACHE = 300.0
"""How long Slack's permission to upload is remembered."""
TOKEN_CHECK_INTERVAL = 60.0
"""Between checks that Slack still accepts the token."""
RESPONSE_URL_LIFETIME = 1800.0
"""How long Slack accepts messages at a `response_url`: whoever reads it could post there."""
FORGET_INTERVAL = 60.0
"""Between removals of response URLs and drafts that are older."""
PRUNE_INTERVAL = 3600.0
"""Between removals of old contents and of rows that nobody reads again."""
FORGET_WAIT = 30.0
"""How long `video-bot forget` waits for the bot to close a person's jobs."""
FORGET_PEOPLE_INTERVAL = 5.0
"""Between the steps for people who are to be forgotten."""
PRUNE_PAUSE = 0.1
"""After each batch of such a removal, so that others can write."""
DAY = 86_400.0
SIGNAL_LIFETIME = DAY
"""How long the signals to a job are kept after it was closed."""
HOME_REFRESH_WINDOW = 600.0
"""How long a Home tab is kept up to date after it was opened."""

VIDEOS_TIMEOUT = 30.0
"""For one request to the Videos server, and for each read of a file."""
CREATE_TIMEOUT = 50.0
"""For a create, whose response may wait for the prompt to be moderated: less than half a lease."""
DOWNLOAD_TIMEOUT = 1800.0
"""For one finished video: Slack's largest file at half a megabyte per second."""
KEEPALIVE_EXPIRY = 1.5
"""How long an idle connection is reused; uvicorn closes one after 5 seconds, gunicorn after 2.

If the server is just closing the connection, nothing tells whether a create was received.
"""
CIRCUIT_RESET_TIMEOUT = 60.0
"""How long an open circuit breaker refuses requests before it lets one through."""

UNREADABLE_RETRY_DELAY = 300.0
"""Before a row that this version of the bot can't read is tried again."""
DATABASE_TIMEOUT = 2.0
"""For the health check's query."""
LOCK_TIMEOUT = 5.0
"""For SQLite's write lock."""
UNACKNOWLEDGED_TIMEOUT = 15.0
"""After which a PostgreSQL server that acknowledges nothing counts as gone."""
MIGRATION_TIMEOUT = 60.0
"""For another process that is migrating the same database."""
HEALTH_TIMEOUT = 5.0
"""For `video-bot health` to be answered: longer than the check's own query."""
HEALTH_MAX_AGE = 1.0
"""How long a health check's result is reused, however many callers there are."""
LAG_PROBE = 0.01
"""How long the event loop sleeps to find out how late it wakes up."""
METRICS_MAX_AGE = 10.0
"""How long the metrics that are read from the database are reused."""
WEB_REQUEST_TIMEOUT = 30.0
"""For a client to send its whole request and to be answered; Slack waits for three seconds."""
WEB_STOP_TIMEOUT = 3.0
"""For requests in progress when the web server stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """What the worker waits for; tests and the sandbox use shorter ones."""

    claim_interval: float = 2.0
    """Between claims when nothing wakes the worker."""
    takeover_interval: float = 2.0
    """Between searches for processes that have died."""
    takeover_delay: float = 1.0
    """Before a dead process's jobs continue: its last requests may still be on their way."""
    home_interval: float = 2.0
    """Between updates of the Home tabs whose jobs have changed."""
    warning_interval: float = 60.0
    """Between checks whether a limit of the workspace is nearly used up."""
    outage_interval: float = 10.0
    """Between searches for jobs that wait for a server, of which admins are notified."""
    poll_interval: float = 10.0
    """Between polls of a video, where neither the server nor earlier videos suggest another."""
    min_poll_interval: float = 1.0
    max_poll_interval: float = 300.0
    post_interval: float = 1.05
    """Between messages in one channel on average: Slack allows about one a second."""
    rate_window: float = 60.0
    """The period for which Slack limits the calls of a method."""
    approval_timeout: float = 86400.0
    """How long a job waits for an admin's approval."""
    card_interval: float = 3.0
    """Between progress updates of one card."""
    queue_cache: float = 5.0
    """How long a server's queue is remembered, for all jobs together."""
    duration_cache: float = 60.0
    """How long the typical duration of a kind of video is remembered."""
    content_interval: float = 600.0
    """Between downloads of a finished video for which the server sends something else."""
    share_poll_interval: float = 1.0
    """Between checks that Slack has shared a file."""
    share_timeout: float = 300.0
    """How long Slack may take to share a file before it is uploaded again."""
    create_timeout: float = CREATE_TIMEOUT
    create_grace: float = 6.0
    """How long a stopping process waits for a create in flight: less than `STOP_TIMEOUT`."""
    reconcile_interval: float = 4.0
    """Between searches of the server's list for a create whose response was lost."""
    stop_retries: tuple[float, ...] = (8.0, 16.0)
    """Delays between attempts to stop or delete a video at the server."""
    process_clock_skew: float = 10.0
    """By how much the clocks of two processes of this bot may differ."""
    deadline: float = 1800.0
    """How long the server may render a video before its job is overdue."""
    overdue_poll_interval: float = 120.0
    """Between polls of an overdue video."""
    overdue_timeout: float = 86400.0
    """How long an overdue video is still delivered."""
    retry_scale: float = 1.0
    """Multiplies the delays between attempts."""
    give_up_after: float = 86400.0
    """How long a step is retried before the job fails."""
