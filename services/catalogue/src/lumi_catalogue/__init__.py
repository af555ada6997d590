"""The catalogue: what the shop sells, and how much of it there is."""
