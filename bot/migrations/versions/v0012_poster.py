"""Remember the poster frame of a finished video."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("jobs", sa.Column("poster_id", sa.Text))
    shows_poster = sa.Column("shows_poster", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("jobs", shows_poster)
