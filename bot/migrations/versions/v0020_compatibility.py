"""Record which versions of the bot can use the tables."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add the table. Later migrations need not change it, as long as they only add."""
    op.create_table("compatibility", sa.Column("oldest", sa.Text, primary_key=True))
    op.execute(sa.text("INSERT INTO compatibility VALUES (:oldest)").bindparams(oldest=revision))
