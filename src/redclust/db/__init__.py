"""Postgres: which one, its schema, its locks, and the embedded server."""
