"""Record which message a job is posting, so that only a lost response is looked for."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column; no message is being posted while the bot is stopped."""
    op.add_column("jobs", sa.Column("posting", sa.Text))
