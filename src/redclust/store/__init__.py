"""Rows of dumps and of Reddit's pages into the base tables: one writer, one rule of what wins."""
