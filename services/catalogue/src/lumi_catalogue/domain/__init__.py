"""The catalogue's rules, as plain Python."""
