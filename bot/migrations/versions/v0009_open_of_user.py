"""Find one person's open jobs quickly, to count them before a job is added."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the index."""
    is_open = sa.text("closed_at IS NULL")
    op.create_index(
        "jobs_open_of_user", "jobs", ["user_id"], sqlite_where=is_open, postgresql_where=is_open
    )
