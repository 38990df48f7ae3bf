"""Backups of the embedded stack: one file that holds all that cannot be made again."""
