"""Remember who is to be forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "forgets",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("files", sa.Boolean, nullable=False),
        sa.Column("requested_at", sa.Double, nullable=False),
    )
