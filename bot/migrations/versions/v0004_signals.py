"""Rename the table of people's signals to a running job, and two of the card's notes."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Rename `wishes` to `signals`; the notes have clearer names too."""
    op.rename_table("wishes", "signals")
    op.execute("UPDATE jobs SET note = 'not_submitted' WHERE note = 'not_asked'")
    op.execute("UPDATE jobs SET note = 'server_copy_kept' WHERE note = 'copy_left'")
