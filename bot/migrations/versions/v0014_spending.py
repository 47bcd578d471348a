"""Record what each job costs and whether that is held, spent or free, and what admins limit."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the columns, and what the existing jobs cost."""
    op.add_column("jobs", sa.Column("micros", sa.BigInteger))
    op.add_column("jobs", sa.Column("charge", sa.Text))
    never = sa.Column("charges_failures", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("jobs", never)
    op.execute("UPDATE jobs SET micros = ROUND(CAST(price AS NUMERIC) * 1000000)")
    op.execute(
        "UPDATE jobs SET charge = CASE"
        " WHEN rendered_at IS NOT NULL OR state = 'uncertain' THEN 'spent'"
        " WHEN finished_at IS NULL THEN 'held' ELSE 'free' END"
    )
    counted = sa.text("charge IN ('held', 'spent')")
    op.create_index(
        "jobs_counted",
        "jobs",
        ["created_at", "user_id", "channel_id", "micros"],
        sqlite_where=counted,
        postgresql_where=counted,
    )
    op.create_table(
        "limits",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("amount", sa.BigInteger),
        sa.Column("is_soft", sa.Boolean, nullable=False),
    )
