"""Decide about proposed jobs, and remember who was asked."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column("jobs", sa.Column("questions", sa.Text))
    op.add_column("jobs", sa.Column("decided_by", sa.Text))
    op.add_column("jobs", sa.Column("decided_at", sa.Double))
    op.create_table(
        "decisions",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
