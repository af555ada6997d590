"""Who somebody is and what they may do: users, sessions, tokens, permissions, addresses, and the audit log."""
