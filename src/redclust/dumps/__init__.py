"""Readers of dumps (Pushshift, Arctic Shift, CSV of interactions): bytes in, batches of columns out."""
