"""What identity answers: one file per proto service."""
