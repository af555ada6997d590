"""All of the catalogue's SQL."""
