"""Record where a job's error came from."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column; earlier errors are taken for the Videos server's, as before."""
    op.add_column("jobs", sa.Column("error_source", sa.Text))
