"""The tables: all that migrations need to know. Times are seconds since 1970."""

import sqlalchemy as sa

metadata = sa.MetaData()

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("request_key", sa.Text, nullable=False, unique=True),
    sa.Column("team_id", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("channel_id", sa.Text, nullable=False),
    sa.Column("response_url", sa.Text),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("seconds", sa.Text, nullable=False),
    sa.Column("size", sa.Text, nullable=False),
    sa.Column("reference_file_id", sa.Text),
    sa.Column("reference_user_id", sa.Text),
    sa.Column("reference_fit", sa.Text),
    sa.Column("reference_size", sa.Text),
    sa.Column("notify", sa.Text),
    sa.Column("remix_of", sa.Text),
    sa.Column("thread_ts", sa.Text),
    sa.Column("server", sa.Text),
    sa.Column("note", sa.Text),
    sa.Column("permalink", sa.Text),
    sa.Column("in_public", sa.Boolean),
    sa.Column("price", sa.Text),
    sa.Column("micros", sa.BigInteger),
    sa.Column("charge", sa.Text),
    sa.Column("charges_failures", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("card_ts", sa.Text),
    sa.Column("video_id", sa.Text, unique=True),
    sa.Column("progress", sa.Integer),
    sa.Column("error_code", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Column("error_source", sa.Text),
    sa.Column("file_id", sa.Text),
    sa.Column("poster_id", sa.Text),
    sa.Column("shows_poster", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("reply_ts", sa.Text),
    sa.Column("posting", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("silent_since", sa.Double),
    sa.Column("not_found", sa.Integer, nullable=False, server_default="0"),
    sa.Column("decode_attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("questions", sa.Text),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_at", sa.Double),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("submitted_at", sa.Double),
    sa.Column("rendered_at", sa.Double),
    sa.Column("resumed_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Column("closed_at", sa.Double),
    sa.Column("owner", sa.Text),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("lease_until", sa.Double, nullable=False),
)

OPEN = jobs.c.closed_at.is_(None)
RENDERED = jobs.c.rendered_at.is_not(None)
sa.Index("jobs_open", jobs.c.lease_until, sqlite_where=OPEN, postgresql_where=OPEN)
sa.Index("jobs_open_of_user", jobs.c.user_id, sqlite_where=OPEN, postgresql_where=OPEN)
sa.Index("jobs_of_user", jobs.c.user_id, jobs.c.created_at)
sa.Index(
    "jobs_alike",
    *(jobs.c[name] for name in ("server", "model", "seconds", "size", "rendered_at")),
    sqlite_where=RENDERED,
    postgresql_where=RENDERED,
)
COUNTED = sa.text("charge IN ('held', 'spent')")
"""What counts towards limits."""
sa.Index(
    "jobs_counted",
    *(jobs.c[name] for name in ("created_at", "user_id", "channel_id", "micros")),
    sqlite_where=COUNTED,
    postgresql_where=COUNTED,
)
sa.Index("jobs_card", jobs.c.card_ts)
IN_THREAD = jobs.c.thread_ts.is_not(None)
sa.Index("jobs_in_thread", jobs.c.thread_ts, sqlite_where=IN_THREAD, postgresql_where=IN_THREAD)

CONTENT = sa.or_(
    jobs.c.prompt != sa.literal_column("''"),  # SQLite uses no partial index for a parameter
    jobs.c.permalink.is_not(None),
    jobs.c.notify.is_not(None),
)
"""The job has contents that can be removed once it is old."""
sa.Index("jobs_with_content", jobs.c.closed_at, sqlite_where=CONTENT, postgresql_where=CONTENT)

signals = sa.Table(
    "signals",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)
"""About proposed jobs: the first decision is the only one."""

homes = sa.Table(
    "homes",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("opened_at", sa.Double, nullable=False),
    sa.Column("page", sa.Integer, nullable=False),
    sa.Column("words", sa.Text),
)

drafts = sa.Table(
    "drafts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("team_id", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("channel_id", sa.Text, nullable=False),
    sa.Column("thread_ts", sa.Text),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("options", sa.Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
)
"""`options` is a JSON object: the rest of the draft, whose parts are never searched for."""

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("at", sa.Double, nullable=False, index=True),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)
"""Who did what to whom; a trigger refuses every change but that of a person's id."""

totals = sa.Table(
    "totals",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("period", sa.Text, primary_key=True),
    sa.Column("micros", sa.BigInteger, nullable=False),
    sa.Column("videos", sa.BigInteger, nullable=False),
)
"""What is held or spent in a month or day (`2026-11`, `2026-11-24`) by the `workspace`, a
`channel C…` or a `person U…`. Triggers on `jobs` keep it up to date."""

limits = sa.Table(
    "limits",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("amount", sa.BigInteger),
    sa.Column("is_soft", sa.Boolean, nullable=False),
)
"""What admins have set, which overrides the environment. An empty subject means everyone, and an
amount of NULL that there is no limit."""

outages = sa.Table(
    "outages",
    metadata,
    sa.Column("server", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("notified_at", sa.Double),
    sa.Column("ended_at", sa.Double),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("lease_until", sa.Double, nullable=False),
)
"""One row for each admin; it is deleted once they have been notified that the outage is over."""

forgets = sa.Table(
    "forgets",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("files", sa.Boolean, nullable=False),
    sa.Column("requested_at", sa.Double, nullable=False),
)
"""Who is to be forgotten, until that is done. `files`: their videos are deleted, too."""

compatibility = sa.Table("compatibility", metadata, sa.Column("oldest", sa.Text, primary_key=True))
"""One row: a version of the bot whose newest migration is this one, or a later one, can use the
tables, also after migrations that it does not know. A migration that does more than add must
replace it."""

limit_warnings = sa.Table(
    "limit_warnings",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("period_began", sa.Double, primary_key=True),
    sa.Column("amount", sa.BigInteger, primary_key=True),
    sa.Column("percent", sa.Integer, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
)
