"""Find the jobs whose contents can be removed."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the index."""
    has_content = sa.text("prompt != '' OR permalink IS NOT NULL OR notify IS NOT NULL")
    op.create_index(
        "jobs_with_content",
        "jobs",
        ["closed_at"],
        sqlite_where=has_content,
        postgresql_where=has_content,
    )
