"""Keep running totals of what is held or spent, for limits.

Triggers change them in the transaction that changes a job, whoever does so: they can't differ from
the sums over the rows, which take 30 ms for the 100,000 rows of a busy month.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"

_COUNTED = "charge IN ('held', 'spent')"

_FORMATS = {
    "sqlite": ("strftime('%Y-%m', {at}, 'unixepoch')", "strftime('%Y-%m-%d', {at}, 'unixepoch')"),
    "postgresql": (
        "to_char(to_timestamp({at}) AT TIME ZONE 'UTC', 'YYYY-MM')",
        "to_char(to_timestamp({at}) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    ),
}
_WHOLE_SECONDS = {"sqlite": "CAST({0} AS INTEGER)", "postgresql": "floor({0})"}

_ADD = """
INSERT INTO totals (scope, period, micros, videos)
SELECT scope, period, {sign} * coalesce({row}.micros, 0), {sign} FROM ({scopes}) AS scopes
WHERE {row}.{counted}
ON CONFLICT (scope, period) DO UPDATE
SET micros = totals.micros + excluded.micros, videos = totals.videos + excluded.videos;
"""

_IS_CHANGED = """
coalesce(OLD.{counted}, false) <> coalesce(NEW.{counted}, false) OR coalesce(NEW.{counted}, false)
AND (coalesce(OLD.micros, 0) <> coalesce(NEW.micros, 0) OR OLD.user_id <> NEW.user_id
OR OLD.channel_id <> NEW.channel_id)
"""


def upgrade() -> None:
    """Add the table, fill it, and keep it up to date from then on."""
    op.create_table(
        "totals",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("period", sa.Text, primary_key=True),
        sa.Column("micros", sa.BigInteger, nullable=False),
        sa.Column("videos", sa.BigInteger, nullable=False),
    )
    dialect = op.get_bind().dialect.name
    for scope, period in _scopes(dialect, "jobs"):
        op.execute(
            f"INSERT INTO totals SELECT {scope}, {period}, coalesce(sum(micros), 0), count(*)"  # noqa: S608 -- our own
            f" FROM jobs WHERE {_COUNTED} GROUP BY 1, 2"
        )
    _create_triggers(dialect)


def _create_triggers(dialect: str) -> None:
    add, remove = _change(dialect, "NEW", 1), _change(dialect, "OLD", -1)
    is_changed = _IS_CHANGED.format(counted=_COUNTED)
    events = {
        "added": ("INSERT", f"coalesce(NEW.{_COUNTED}, false)", add),
        "changed": ("UPDATE", is_changed, remove + add),
        "removed": ("DELETE", f"coalesce(OLD.{_COUNTED}, false)", remove),
    }
    for name, (event, condition, body) in events.items():
        if dialect == "sqlite":
            op.execute(
                f"CREATE TRIGGER totals_{name} AFTER {event} ON jobs WHEN {condition}"
                f" BEGIN {body} END"
            )
            continue
        op.execute(
            f"CREATE FUNCTION totals_{name}() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN {body} RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER totals_{name} AFTER {event} ON jobs FOR EACH ROW"
            f" WHEN ({condition}) EXECUTE FUNCTION totals_{name}()"
        )


def _change(dialect: str, row: str, sign: int) -> str:
    pairs = _scopes(dialect, row)
    scopes = " UNION ALL ".join(
        f"SELECT {scope} AS scope, {period} AS period" for scope, period in pairs
    )
    return _ADD.format(sign=sign, row=row, scopes=scopes, counted=_COUNTED)


def _scopes(dialect: str, row: str) -> list[tuple[str, str]]:
    """Expressions for what a job counts towards, in the order in which everyone locks them."""
    at = _WHOLE_SECONDS[dialect].format(f"{row}.created_at")
    month, day = (each.format(at=at) for each in _FORMATS[dialect])
    channel, person = f"'channel ' || {row}.channel_id", f"'person ' || {row}.user_id"
    return [
        ("'workspace'", month),
        ("'workspace'", day),
        (channel, month),
        (person, month),
        (person, day),
    ]
