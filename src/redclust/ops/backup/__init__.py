"""``backup``: dumps that are known to be good before they are called backups."""
