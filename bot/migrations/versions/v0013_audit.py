"""Keep an audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_SQLITE = """
CREATE TRIGGER audit_{name} BEFORE {change} ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
"""
_POSTGRES_FUNCTION = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$
"""
_POSTGRES = """
CREATE TRIGGER audit_{name} BEFORE {change} ON audit
FOR EACH ROW EXECUTE FUNCTION audit_refuse()
"""


def upgrade() -> None:
    """Add the table, to which rows can only be added. People's ids can be replaced."""
    op.create_table(
        "audit",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", sa.Double, nullable=False, index=True),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("act", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    trigger = _SQLITE
    if op.get_bind().dialect.name == "postgresql":
        trigger = _POSTGRES
        op.execute(_POSTGRES_FUNCTION)
    op.execute(trigger.format(name="keep", change="DELETE"))
    op.execute(trigger.format(name="freeze", change="UPDATE OF id, at, act, detail"))
