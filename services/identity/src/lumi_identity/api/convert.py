"""Between the wire and the domain."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import Any

from google.protobuf.struct_pb2 import Struct
from lumi.common.v1.address_pb2 import PostalAddress
from lumi.identity.v1 import access_pb2, address_pb2, audit_pb2, auth_pb2, security_event_pb2, session_pb2, user_pb2

from lumi_common.db.database import Row
from lumi_common.errors import InvalidArgument, Reason
from lumi_common.rpc.auth import Jwks
from lumi_common.rpc.convert import masked, time_from_proto, time_to_proto
from lumi_common.rpc.revocations import Told
from lumi_identity.domain.address import Address, check_country
from lumi_identity.domain.phone import e164
from lumi_identity.domain.role import Holdings, Permission, Role
from lumi_identity.domain.user import User, UserStatus, normalised_email
from lumi_identity.workflows.sessions import Tokens
from lumi_identity.workflows.sign_in import Challenge, SignedIn

USER_STATUSES = {user_pb2.UserStatus.Value(f"USER_STATUS_{status}"): status for status in UserStatus}


def user_to_proto(user: User) -> user_pb2.User:
    """A user without anything secret."""
    return user_pb2.User(
        id=user.id,
        email=user.email,
        first_name=user.first_name or "",
        last_name=user.last_name or "",
        phone=user.phone or "",
        email_verified=user.email_verified,
        email_verified_time=time_to_proto(user.email_verified_at),
        two_factor_enabled=user.two_factor_enabled,
        status=f"USER_STATUS_{user.status}",
        create_time=time_to_proto(user.created_at),
        update_time=time_to_proto(user.updated_at),
        etag=user.etag,
        delete_time=time_to_proto(user.deleted_at),
    )


def changes_of_user(
    request: user_pb2.UpdateMeRequest | user_pb2.UpdateUserRequest, settable: Collection[str], *, region: str
) -> dict[str, str | None]:
    """The columns to set: what the mask names, or what is set where there is none.

    `region` is the country of a phone that is written without one. Raises InvalidArgument for a mask that names
    anything but `settable`, for an empty e-mail, and for what is no phone number.
    """
    given = request.user
    changes = {name: getattr(given, name) or None for name in masked(request.update_mask, given, settable)}
    if "email" in changes:
        if changes["email"] is None:
            raise InvalidArgument(Reason.INVALID_REQUEST, "the mask names it and it is not there", field="user.email")
        changes["email"] = normalised_email(given.email)
    if "phone" in changes:
        changes["phone"] = e164(given.phone, region, field="user.phone")
    return changes


def moment(
    request: user_pb2.ListUsersRequest | security_event_pb2.ListSecurityEventsRequest, field: str
) -> datetime | None:
    """The time of a filter, None where it is not set."""
    return time_from_proto(getattr(request, field), field=field) if request.HasField(field) else None


def tokens_to_proto(tokens: Tokens) -> auth_pb2.Tokens:
    """What a client carries."""
    return auth_pb2.Tokens(
        access_token=tokens.access_token,
        access_token_expire_time=time_to_proto(tokens.access_expires_at),
        refresh_token=tokens.refresh_token,
        refresh_token_expire_time=time_to_proto(tokens.refresh_expires_at),
        session_id=tokens.session_id,
    )


def sign_in_to_proto(outcome: SignedIn | Challenge) -> auth_pb2.SignInResponse:
    """A session that has begun, or what still has to be answered for it."""
    if isinstance(outcome, Challenge):
        challenge = auth_pb2.TwoFactorChallenge(token=outcome.token, expire_time=time_to_proto(outcome.expires_at))
        return auth_pb2.SignInResponse(two_factor_challenge=challenge)
    return auth_pb2.SignInResponse(tokens=tokens_to_proto(outcome.tokens), user=user_to_proto(outcome.user))


def session_to_proto(row: Row, *, asking: str) -> session_pb2.Session:
    """A row of the list of sessions; `asking` is the session of the call."""
    return session_pb2.Session(
        id=row["id"],
        user_id=row["user_id"],
        fingerprint=row["fingerprint"] or "",
        ip_address=row["ip_address"] or "",
        user_agent=row["user_agent"] or "",
        create_time=time_to_proto(row["created_at"]),
        last_use_time=time_to_proto(row["rotated_at"] or row["created_at"]),
        expire_time=time_to_proto(row["expires_at"]),
        current=row["id"] == asking,
    )


def jwks_to_proto(jwks: Jwks) -> auth_pb2.Jwks:
    """A key set."""
    names = auth_pb2.Jwk.DESCRIPTOR.fields_by_name
    keys = ({name: value for name, value in key.items() if name in names} for key in jwks["keys"])
    return auth_pb2.Jwks(keys=[auth_pb2.Jwk(**key) for key in keys])


def revocations_to_proto(told: Told) -> auth_pb2.ListRevocationsResponse:
    """From when on tokens count."""
    revocations = (auth_pb2.Revocation(id=id, not_before=time_to_proto(time)) for id, time in told.revocations)
    return auth_pb2.ListRevocationsResponse(revocations=revocations, next_cursor=told.cursor, more=told.more)


def role_to_proto(role: Role) -> access_pb2.Role:
    """A role with its permissions."""
    return access_pb2.Role(
        id=role.id,
        name=role.name,
        description=role.description or "",
        permissions=role.permissions,
        create_time=time_to_proto(role.created_at),
        update_time=time_to_proto(role.updated_at),
    )


def permission_to_proto(permission: Permission) -> access_pb2.Permission:
    """A permission."""
    return access_pb2.Permission(
        id=permission.id,
        key=permission.key,
        description=permission.description or "",
        create_time=time_to_proto(permission.created_at),
        update_time=time_to_proto(permission.updated_at),
    )


def holdings_to_proto(holdings: Holdings) -> access_pb2.EffectivePermissions:
    """What a user may do."""
    return access_pb2.EffectivePermissions(
        user_id=holdings.user_id, roles=holdings.roles, permissions=holdings.permissions
    )


def address_to_proto(address: Address) -> address_pb2.Address:
    """An address of a user's book."""
    return address_pb2.Address(
        id=address.id,
        user_id=address.user_id,
        label=address.label or "",
        postal_address=PostalAddress(
            full_name=address.full_name,
            phone=address.phone or "",
            line1=address.line1,
            line2=address.line2 or "",
            city=address.city,
            state=address.state or "",
            postal_code=address.postal_code,
            country=address.country,
        ),
        is_default=address.is_default,
        create_time=time_to_proto(address.created_at),
        update_time=time_to_proto(address.updated_at),
    )


def postal_columns(address: PostalAddress) -> dict[str, Any]:
    """The columns of an address that a PostalAddress fills; raises InvalidArgument for an unknown country or phone."""
    return {
        "full_name": address.full_name,
        "phone": e164(address.phone, field="address.postal_address.phone"),
        "line1": address.line1,
        "line2": address.line2 or None,
        "city": address.city,
        "state": address.state or None,
        "postal_code": address.postal_code,
        "country": check_country(address.country, field="address.postal_address.country"),
    }


def audit_log_to_proto(row: Row) -> audit_pb2.AuditLog:
    """A row of the audit log."""
    return audit_pb2.AuditLog(
        id=row["id"],
        user_id=row["user_id"] or "",
        actor_type=row["actor_type"],
        action=row["action"],
        entity=row["entity"],
        entity_id=row["entity_id"],
        before=_struct(row["before"]),
        after=_struct(row["after"]),
        ip_address=row["ip_address"] or "",
        user_agent=row["user_agent"] or "",
        create_time=time_to_proto(row["created_at"]),
    )


def security_event_to_proto(row: Row, *, whole: bool) -> security_event_pb2.SecurityEvent:
    """A security event; without `whole` it does not tell who else did it, and from where."""
    payload = dict(row["payload"] or {})
    by_another = "by" in payload
    if by_another and not whole:
        del payload["by"]
    shows_origin = whole or not by_another
    return security_event_pb2.SecurityEvent(
        id=row["id"],
        user_id=row["user_id"] or "",
        type=row["type"],
        payload=_struct(payload or None),
        ip_address=(row["ip_address"] or "") if shows_origin else "",
        user_agent=(row["user_agent"] or "") if shows_origin else "",
        create_time=time_to_proto(row["created_at"]),
    )


def _struct(columns: dict[str, Any] | None) -> Struct | None:
    if columns is None:
        return None
    struct = Struct()
    struct.update(_exact(columns))
    return struct


def _exact(value: Any) -> Any:
    """A Struct's numbers are doubles, so what has decimals travels as text."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {name: _exact(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_exact(each) for each in value]
    return value
