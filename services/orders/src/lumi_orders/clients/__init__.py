"""The services that orders asks, one typed client each."""
