"""Identity's SQL."""
