"""What is written down about the safety of an account."""

from enum import StrEnum


class SecurityEvent(StrEnum):
    """The types of security events."""

    SIGNED_UP = "signed_up"
    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    REFRESH_TOKEN_REUSED = "refresh_token_reused"
    PASSWORD_CHANGED = "password_changed"
    ACCOUNT_DELETED = "account_deleted"
    ACCOUNT_UNDELETED = "account_undeleted"
