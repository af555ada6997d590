"""Who is calling."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

PrincipalKind = Literal["anonymous", "guest", "user", "service"]


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated caller: a user or guest by token, a service by certificate, or nobody.

    `id` is the user's or guest's id, or the service's name; `stepped_up_until` is the second (Unix time) until
    which a fresh second factor counts, 0 for none.
    """

    kind: PrincipalKind
    id: str
    session_id: str = ""
    permissions: frozenset[str] = frozenset()
    stepped_up_until: int = 0
    key: str = field(init=False, repr=False, compare=False)
    """`user:<id>`: the scope of request ids and the name that logs and peers see."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.kind}:{self.id}")

    def may(self, permission: str) -> bool:
        """Whether the caller holds this permission."""
        return permission in self.permissions

    @classmethod
    def user(cls, id: str, permissions: Iterable[str] = (), session_id: str = "") -> "Principal":
        """A signed-in user."""
        return cls("user", id, session_id, frozenset(permissions))

    @classmethod
    def service(cls, name: str) -> "Principal":
        """One of our own services."""
        return cls("service", name)


ANONYMOUS = Principal("anonymous", "")
