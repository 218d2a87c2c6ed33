"""A Reddit cluster map, and the care of the Postgres behind it."""

__version__ = "0.1.0"
