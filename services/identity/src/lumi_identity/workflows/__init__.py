"""What takes more than one transaction: signing in, and the keys that sign."""
