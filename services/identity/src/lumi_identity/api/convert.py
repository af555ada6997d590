"""Between the wire and the domain."""

from decimal import Decimal
from typing import Any

from google.protobuf.struct_pb2 import Struct
from lumi.common.v1.address_pb2 import PostalAddress
from lumi.identity.v1 import access_pb2, address_pb2, audit_pb2, auth_pb2, user_pb2

from lumi_common.db.database import Row
from lumi_common.rpc.auth import Jwks
from lumi_common.rpc.convert import time_to_proto
from lumi_identity.domain.address import Address, check_country
from lumi_identity.domain.role import Holdings, Permission, Role
from lumi_identity.domain.user import User
from lumi_identity.workflows.sessions import Tokens


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


def tokens_to_proto(tokens: Tokens) -> auth_pb2.Tokens:
    """What a client carries."""
    return auth_pb2.Tokens(
        access_token=tokens.access_token,
        access_token_expire_time=time_to_proto(tokens.access_expires_at),
        refresh_token=tokens.refresh_token,
        refresh_token_expire_time=time_to_proto(tokens.refresh_expires_at),
        session_id=tokens.session_id,
    )


def jwks_to_proto(jwks: Jwks) -> auth_pb2.Jwks:
    """A key set."""
    names = auth_pb2.Jwk.DESCRIPTOR.fields_by_name
    keys = ({name: value for name, value in key.items() if name in names} for key in jwks["keys"])
    return auth_pb2.Jwks(keys=[auth_pb2.Jwk(**key) for key in keys])


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
    """The columns of an address that a PostalAddress fills; raises InvalidArgument for an unknown country."""
    return {
        "full_name": address.full_name,
        "phone": address.phone or None,
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
