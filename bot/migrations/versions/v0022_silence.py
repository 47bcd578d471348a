"""Record since when a server has not responded about a video."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Add the time, which is unknown for the rows that exist."""
    op.add_column("jobs", sa.Column("silent_since", sa.Double))
