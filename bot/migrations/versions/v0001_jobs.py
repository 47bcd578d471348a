"""The jobs table."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the table and the index of open jobs."""
    op.create_table(
        "jobs",
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
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("card_ts", sa.Text),
        sa.Column("video_id", sa.Text, unique=True),
        sa.Column("progress", sa.Integer),
        sa.Column("error_code", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("file_id", sa.Text),
        sa.Column("reply_ts", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("submitted_at", sa.Double),
        sa.Column("rendered_at", sa.Double),
        sa.Column("finished_at", sa.Double),
        sa.Column("closed_at", sa.Double),
        sa.Column("owner", sa.Text),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("lease_until", sa.Double, nullable=False),
    )
    is_open = sa.text("closed_at IS NULL")
    op.create_index(
        "jobs_open", "jobs", ["lease_until"], sqlite_where=is_open, postgresql_where=is_open
    )
