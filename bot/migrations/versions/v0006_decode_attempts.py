"""Count the attempts to decode a picture, which may take the whole process down."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the counter; an older version of the bot leaves it at its default."""
    op.add_column(
        "jobs", sa.Column("decode_attempts", sa.Integer, nullable=False, server_default="0")
    )
