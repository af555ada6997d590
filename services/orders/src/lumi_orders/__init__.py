"""Orders: carts, orders, and the placing of an order over all services."""
