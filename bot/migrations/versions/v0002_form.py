"""Columns for the form: a reference picture, and teammates to notify."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_COLUMNS = (
    "reference_file_id",
    "reference_user_id",
    "reference_fit",
    "reference_size",
    "notify",
)


def upgrade() -> None:
    """Add the columns, which are empty for existing jobs."""
    for name in _COLUMNS:
        op.add_column("jobs", sa.Column(name, sa.Text))
