"""The database: rows, claims, migrations."""
