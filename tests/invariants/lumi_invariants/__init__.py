"""What must be true of the shop's books, whatever crashes, repeats, races or arrives late."""
