"""The composition root: everything identity is made of, put together."""

from datetime import timedelta
from functools import partial

from lumi.identity.v1.access_pb2_grpc import add_AccessServiceServicer_to_server
from lumi.identity.v1.address_pb2_grpc import add_AddressServiceServicer_to_server
from lumi.identity.v1.audit_pb2_grpc import add_AuditServiceServicer_to_server
from lumi.identity.v1.auth_pb2_grpc import add_AuthServiceServicer_to_server
from lumi.identity.v1.operations_pb2_grpc import add_OperationsServiceServicer_to_server
from lumi.identity.v1.user_pb2_grpc import add_UserServiceServicer_to_server

from lumi_common.db.database import Refusals
from lumi_common.errors import AlreadyExists
from lumi_common.events.handlers import InBatch
from lumi_common.service import Runtime
from lumi_identity.api.access import AccessService
from lumi_identity.api.addresses import AddressService
from lumi_identity.api.audit import AuditService
from lumi_identity.api.auth import AuthService
from lumi_identity.api.users import UserService
from lumi_identity.domain.errors import Reason
from lumi_identity.domain.passwords import Passwords
from lumi_identity.domain.session import RefreshTokens
from lumi_identity.domain.signing_key import CACHE_LIFE, KeyCipher
from lumi_identity.settings import IdentitySettings
from lumi_identity.storage import audit
from lumi_identity.storage.invariants import INVARIANTS
from lumi_identity.storage.references import REFERRER
from lumi_identity.storage.sessions import forget_old
from lumi_identity.threads import Threads
from lumi_identity.workflows.accounts import Accounts
from lumi_identity.workflows.bootstrap import Bootstrap
from lumi_identity.workflows.keyring import Keyring
from lumi_identity.workflows.sessions import Sessions
from lumi_identity.workflows.sign_in import SignIn

REFUSALS: Refusals = {
    "users_email_key": lambda: AlreadyExists(Reason.EMAIL_TAKEN, "the e-mail has an account already", field="email"),
}
# A hash for a token takes a millisecond: one thread does a thousand a second.
_TOKEN_QUEUE = 256
_HOUR = 3600.0
# Nobody waits for the audit: what comes within this is filed by one statement.
_LINGER_SECONDS = 0.25


async def compose(runtime: Runtime[IdentitySettings]) -> None:
    """Serve identity."""
    settings, db = runtime.settings, runtime.db
    keyring = Keyring(
        db,
        KeyCipher(settings.encryption_key),
        runtime.clock,
        ttl=settings.access_token_seconds,
        guest_ttl=settings.guest_seconds,
        life=timedelta(seconds=settings.signing_key_seconds),
        issuer=settings.token_issuer,
        audience=settings.token_audience,
    )
    await keyring.refresh()
    runtime.use_keys(keyring.jwks)
    runtime.every(CACHE_LIFE.total_seconds() / 2, "signing keys", keyring.refresh)

    password_threads = Threads("passwords", threads=settings.password_threads, waiting=settings.password_queue)
    token_threads = Threads("tokens", threads=1, waiting=_TOKEN_QUEUE)
    runtime.on_close(password_threads.close)
    runtime.on_close(token_threads.close)
    passwords = _passwords(settings)
    sessions = Sessions(
        db,
        tokens=RefreshTokens(settings.refresh_key),
        keyring=keyring,
        threads=token_threads,
        life=timedelta(seconds=settings.session_seconds),
    )
    runtime.every(_HOUR, "old sessions", partial(forget_old, db))
    runtime.serve(
        add_AuthServiceServicer_to_server,
        AuthService(
            db,
            accounts=Accounts(db, passwords=passwords, threads=password_threads),
            sign_in=SignIn(db, passwords=passwords, threads=password_threads, sessions=sessions),
            sessions=sessions,
            keyring=keyring,
        ),
    )
    runtime.serve(
        add_UserServiceServicer_to_server,
        UserService(db, runtime.clock, undelete_window=timedelta(days=settings.undelete_days)),
    )
    runtime.serve(add_AccessServiceServicer_to_server, AccessService(db))
    runtime.serve(
        add_AddressServiceServicer_to_server,
        AddressService(db, runtime.clock, limit=settings.max_addresses),
    )
    runtime.serve(add_AuditServiceServicer_to_server, AuditService(db))
    runtime.serve_operations(add_OperationsServiceServicer_to_server, REFERRER, INVARIANTS)
    runtime.consume("identity-audit", InBatch(audit.file), linger=_LINGER_SECONDS)


async def bootstrap(runtime: Runtime[IdentitySettings]) -> None:
    """Make what a new deployment lacks: permissions, the seeded roles, the admin of the settings."""
    settings = runtime.settings
    await Bootstrap(runtime.db, _passwords(settings), runtime.clock).run(
        settings.admin_email, settings.admin_password.get_secret_value()
    )


def _passwords(settings: IdentitySettings) -> Passwords:
    return Passwords(settings.peppers, current=settings.pepper_number, cost=settings.bcrypt_cost)
