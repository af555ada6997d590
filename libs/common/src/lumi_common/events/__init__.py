"""Events: the outbox goes to JetStream by the relay, and from there into the inbox of whoever cares by a consumer."""
