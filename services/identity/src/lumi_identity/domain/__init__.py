"""Identity's rules: no wire, no database."""
