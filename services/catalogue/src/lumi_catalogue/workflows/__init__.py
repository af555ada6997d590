"""What takes a second transaction, another service, or several callers at once."""
