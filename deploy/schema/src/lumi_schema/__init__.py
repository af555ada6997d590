"""The schema's reference and its diagrams, generated from the services' tables."""
