"""Rename the table of people's signals to a running job."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Rename `wishes` to `signals`."""
    op.rename_table("wishes", "signals")
