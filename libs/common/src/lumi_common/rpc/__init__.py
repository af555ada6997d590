"""Serving and calling RPCs: access, auth, the stages of a call, the server, and channels to peers."""
