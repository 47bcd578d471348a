"""Remember which admin has been warned of which threshold of a limit."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "limit_warnings",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("period_began", sa.Double, primary_key=True),
        sa.Column("amount", sa.BigInteger, primary_key=True),
        sa.Column("percent", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Text, primary_key=True),
    )
