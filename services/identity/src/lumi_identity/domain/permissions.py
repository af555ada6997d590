"""Every permission that the protos ask for, with what it allows."""

PERMISSIONS = {
    "audit.read": "Read the audit log of every service.",
}
