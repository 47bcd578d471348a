"""Remember what a Home tab's search looks for."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the column."""
    op.add_column("homes", sa.Column("words", sa.Text))
