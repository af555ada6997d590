"""The composition root: everything identity is made of, put together."""

from datetime import timedelta
from functools import partial

from lumi.identity.v1.access_pb2_grpc import add_AccessServiceServicer_to_server
from lumi.identity.v1.address_pb2_grpc import add_AddressServiceServicer_to_server
from lumi.identity.v1.audit_pb2_grpc import add_AuditServiceServicer_to_server
from lumi.identity.v1.auth_pb2_grpc import add_AuthServiceServicer_to_server
from lumi.identity.v1.operations_pb2_grpc import add_OperationsServiceServicer_to_server
from lumi.identity.v1.privacy_pb2_grpc import add_PrivacyServiceServicer_to_server
from lumi.identity.v1.security_event_pb2_grpc import add_SecurityEventServiceServicer_to_server
from lumi.identity.v1.session_pb2_grpc import add_SessionServiceServicer_to_server
from lumi.identity.v1.two_factor_pb2_grpc import add_TwoFactorServiceServicer_to_server
from lumi.identity.v1.user_pb2_grpc import add_UserServiceServicer_to_server

from lumi_common.db.database import Refusals
from lumi_common.errors import AlreadyExists
from lumi_common.events.handlers import InBatch
from lumi_common.personal import PersonalData
from lumi_common.service import Runtime
from lumi_identity.api.access import AccessService
from lumi_identity.api.addresses import AddressService
from lumi_identity.api.audit import AuditService
from lumi_identity.api.auth import AuthService
from lumi_identity.api.privacy import PrivacyService
from lumi_identity.api.security_events import SecurityEventService
from lumi_identity.api.sessions import SessionService
from lumi_identity.api.two_factor import TwoFactorService
from lumi_identity.api.users import UserService
from lumi_identity.clients.holders import holders
from lumi_identity.clients.post import Folder, Post, Smtp
from lumi_identity.domain.cipher import Cipher
from lumi_identity.domain.errors import Reason
from lumi_identity.domain.lockout import Keys
from lumi_identity.domain.mails import Texts
from lumi_identity.domain.one_time_token import Purpose
from lumi_identity.domain.password_policy import PasswordPolicy
from lumi_identity.domain.passwords import Passwords
from lumi_identity.domain.session import RefreshTokens
from lumi_identity.domain.signing_key import CACHE_LIFE
from lumi_identity.settings import IdentitySettings
from lumi_identity.storage import audit, mails, one_time_tokens, sign_in_attempts
from lumi_identity.storage.invariants import INVARIANTS
from lumi_identity.storage.personal import PEOPLE
from lumi_identity.storage.references import REFERRER
from lumi_identity.storage.revocations import list_revocations
from lumi_identity.storage.sessions import forget_old
from lumi_identity.threads import Threads
from lumi_identity.workflows.accounts import Accounts
from lumi_identity.workflows.attempts import Attempts
from lumi_identity.workflows.bootstrap import Bootstrap
from lumi_identity.workflows.erasure import Erasing
from lumi_identity.workflows.keyring import Keyring
from lumi_identity.workflows.mailer import Mailer, Shop
from lumi_identity.workflows.sessions import Sessions
from lumi_identity.workflows.sign_in import SignIn
from lumi_identity.workflows.two_factor import TwoFactor

REFUSALS: Refusals = {
    "users_email_key": lambda: AlreadyExists(Reason.EMAIL_TAKEN, "the e-mail has an account already", field="email"),
    "roles_name_key": lambda: AlreadyExists(Reason.NAME_TAKEN, "another role has the name", field="role.name"),
    "permissions_key_key": lambda: AlreadyExists(
        Reason.NAME_TAKEN, "another permission has the key", field="permission.key"
    ),
}
# A hash for a token takes a millisecond: one thread does a thousand a second.
_TOKEN_QUEUE = 256
_HOUR = 3600.0
# Each step of an erasure waits for it, and looking costs next to nothing.
_ERASURES_SECONDS = 5.0
# Nobody waits for the audit: what comes within this is filed by one statement.
_LINGER_SECONDS = 0.25


async def compose(runtime: Runtime[IdentitySettings]) -> None:
    """Serve identity."""
    settings, db = runtime.settings, runtime.db
    keyring = _keyring(runtime)
    await keyring.refresh()
    runtime.use_keys(keyring.jwks, partial(list_revocations, db))
    runtime.every(CACHE_LIFE.total_seconds() / 2, "signing keys", keyring.refresh)

    password_threads = Threads("passwords", threads=settings.password_threads, waiting=settings.password_queue)
    token_threads = Threads("tokens", threads=1, waiting=_TOKEN_QUEUE)
    runtime.on_close(password_threads.close)
    runtime.on_close(token_threads.close)
    passwords = _passwords(settings)
    sessions = Sessions(
        db,
        tokens=RefreshTokens(settings.refresh_key, retired=settings.retired_refresh_keys),
        keyring=keyring,
        threads=token_threads,
        life=timedelta(seconds=settings.session_seconds),
        stepped_up=timedelta(seconds=settings.step_up_seconds),
    )
    attempts = Attempts(db, keys=Keys(settings.attempts_key), lockout=settings.lockout)
    two_factor = TwoFactor(
        db,
        cipher=Cipher(settings.encryption_keys, current=settings.key_encryption_number, use="second factors"),
        attempts=attempts,
        clock=runtime.clock,
        issuer=settings.two_factor_issuer,
    )
    sign_in = SignIn(
        db,
        passwords=passwords,
        threads=password_threads,
        sessions=sessions,
        attempts=attempts,
        two_factor=two_factor,
        challenge_life=timedelta(seconds=settings.two_factor_challenge_seconds),
    )
    runtime.every(_HOUR, "old tries to sign in", partial(sign_in_attempts.forget_old, db))
    runtime.every(_HOUR, "old sessions", partial(forget_old, db))
    runtime.every(_HOUR, "old tokens", partial(one_time_tokens.forget_expired, db))
    _send_mails(runtime)
    runtime.serve(
        add_AuthServiceServicer_to_server,
        AuthService(
            db,
            accounts=Accounts(
                db,
                runtime.clock,
                passwords=passwords,
                policy=_policy(settings),
                threads=password_threads,
                attempts=attempts,
            ),
            sign_in=sign_in,
            sessions=sessions,
            keyring=keyring,
            phone_region=settings.phone_region,
        ),
    )
    runtime.serve(add_TwoFactorServiceServicer_to_server, TwoFactorService(two_factor))
    runtime.serve(
        add_UserServiceServicer_to_server,
        UserService(
            db,
            runtime.clock,
            attempts=attempts,
            no_password=passwords.decoy,
            phone_region=settings.phone_region,
            undelete_window=timedelta(days=settings.undelete_days),
            hearing=timedelta(seconds=settings.purge_settle_seconds),
        ),
    )
    runtime.serve(add_AccessServiceServicer_to_server, AccessService(db, runtime.clock))
    runtime.serve(
        add_AddressServiceServicer_to_server,
        AddressService(db, runtime.clock, limit=settings.max_addresses),
    )
    runtime.serve(add_AuditServiceServicer_to_server, AuditService(db))
    runtime.serve(add_SessionServiceServicer_to_server, SessionService(db))
    security_events = SecurityEventService(db)
    runtime.record_refused(security_events.RecordSecurityEvents)
    runtime.serve(add_SecurityEventServiceServicer_to_server, security_events)
    erasing = Erasing(
        db,
        runtime.clock,
        holders(db, PersonalData(db, PEOPLE, runtime.broker), runtime.peer),
        settle=timedelta(seconds=settings.erasure_settle_seconds),
    )
    runtime.serve(add_PrivacyServiceServicer_to_server, PrivacyService(db, erasing))
    runtime.every(min(settings.sweep_seconds, _ERASURES_SECONDS), "erasures", erasing.sweep)
    runtime.serve_operations(add_OperationsServiceServicer_to_server, REFERRER, PEOPLE, INVARIANTS)
    runtime.consume("identity-audit", InBatch(audit.file), linger=_LINGER_SECONDS)


async def bootstrap(runtime: Runtime[IdentitySettings]) -> None:
    """Make what a new deployment lacks: permissions, the seeded roles, the admin of the settings."""
    settings = runtime.settings
    await Bootstrap(runtime.db, _passwords(settings), _policy(settings), runtime.clock).run(
        settings.admin_email, settings.admin_password.get_secret_value()
    )


async def rotate_keys(runtime: Runtime[IdentitySettings]) -> None:
    """Make the next signing key now, though the present one has time left."""
    await _keyring(runtime).rotate()


async def withdraw_key(runtime: Runtime[IdentitySettings], kid: str) -> None:
    """Take back a signing key that others may have; whoever holds one of its tokens has to refresh."""
    try:
        await _keyring(runtime).withdraw(kid)
    except LookupError as fault:
        raise SystemExit(str(fault)) from None


def _keyring(runtime: Runtime[IdentitySettings]) -> Keyring:
    settings = runtime.settings
    return Keyring(
        runtime.db,
        Cipher(settings.encryption_keys, current=settings.key_encryption_number, use="signing keys"),
        runtime.clock,
        ttl=settings.access_token_seconds,
        guest_ttl=settings.guest_seconds,
        life=timedelta(seconds=settings.signing_key_seconds),
        issuer=settings.token_issuer,
        audience=settings.token_audience,
    )


def _passwords(settings: IdentitySettings) -> Passwords:
    return Passwords(settings.peppers, current=settings.pepper_number, cost=settings.bcrypt_cost)


def _policy(settings: IdentitySettings) -> PasswordPolicy:
    return PasswordPolicy(settings.password_profile, (settings.shop_name,))


def _send_mails(runtime: Runtime[IdentitySettings]) -> None:
    settings, db = runtime.settings, runtime.db
    runtime.gauge(
        "lumi.mails.oldest_age",
        partial(mails.oldest_age, db),
        unit="s",
        description="Age of the oldest mail that waits",
    )
    post = _post(settings)
    if post is None:
        return
    mailer = Mailer(
        db,
        post,
        runtime.clock,
        cipher=Cipher(settings.encryption_keys, current=settings.key_encryption_number, use="mails"),
        texts=Texts(settings.mail_language),
        shop=Shop(settings.shop_name, settings.shop_url),
        lives={
            Purpose.VERIFY_EMAIL: timedelta(seconds=settings.verification_seconds),
            Purpose.RESET_PASSWORD: timedelta(seconds=settings.reset_seconds),
        },
        limit=settings.links_per_account,
    )
    runtime.every(settings.mail_seconds, "mails", mailer.send_due)


def _post(settings: IdentitySettings) -> Post | None:
    """The way out for mails; None, in the local profile only, where the settings name none: they stay in the queue."""
    if settings.mail_folder is not None:
        return Folder(settings.mail_folder, sender=settings.mail_from)
    if not settings.smtp_host:
        return None
    return Smtp(
        settings.smtp_host,
        settings.smtp_port,
        sender=settings.mail_from,
        security=settings.smtp_security,
        user=settings.smtp_user,
        password=settings.smtp_password.get_secret_value(),
        ca=settings.smtp_ca,
    )
