"""The peers that the catalogue calls."""
