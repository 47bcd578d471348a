"""Count how often in a row a server did not find a video."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the count, which is 0 for the rows that exist."""
    op.add_column("jobs", sa.Column("not_found", sa.Integer, nullable=False, server_default="0"))
