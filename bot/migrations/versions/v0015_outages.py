"""Tell admins of outages of a Videos server."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the table, and when a job got past a pause."""
    op.add_column("jobs", sa.Column("resumed_at", sa.Double))
    op.create_table(
        "outages",
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
