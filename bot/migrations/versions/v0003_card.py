"""Columns and tables for the card's buttons and the Home tab."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add columns, tables, and indexes for lists of jobs and for estimates."""
    for name in ("server", "remix_of", "thread_ts", "permalink", "note", "price"):
        op.add_column("jobs", sa.Column(name, sa.Text))
    op.create_table(
        "wishes",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, primary_key=True),
    )
    op.create_table(
        "homes",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("page", sa.Integer, nullable=False),
    )
    op.create_index("jobs_of_user", "jobs", ["user_id", "created_at"])
    rendered = sa.text("rendered_at IS NOT NULL")
    op.create_index(
        "jobs_alike",
        "jobs",
        ["server", "model", "seconds", "size", "rendered_at"],
        sqlite_where=rendered,
        postgresql_where=rendered,
    )
