"""What needs another service: placing an order, undoing it, finishing what a crash left."""
