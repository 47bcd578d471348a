"""Keep drafts, and find the jobs of a thread."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the table and two indexes."""
    op.create_table(
        "drafts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("team_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("channel_id", sa.Text, nullable=False),
        sa.Column("thread_ts", sa.Text),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
    )
    op.create_index("jobs_card", "jobs", ["card_ts"])
    in_thread = sa.text("thread_ts IS NOT NULL")
    op.create_index(
        "jobs_in_thread",
        "jobs",
        ["thread_ts"],
        sqlite_where=in_thread,
        postgresql_where=in_thread,
    )
