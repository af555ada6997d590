"""The data path: statements built once, one transaction per command, the change and its record in one statement."""
