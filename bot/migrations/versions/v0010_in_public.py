"""Whether a video was shared in a public channel."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column; it stays unknown for earlier jobs."""
    op.add_column("jobs", sa.Column("in_public", sa.Boolean))
