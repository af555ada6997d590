"""What a client's method is, for type checkers; there is no such module at run time."""

from collections.abc import Awaitable, Sequence
from typing import Any, Protocol, TypeVar

Request = TypeVar("Request", contravariant=True)
Answer = TypeVar("Answer", covariant=True)

class Call(Awaitable[Answer], Protocol[Answer]):
    async def code(self) -> Any: ...
    async def details(self) -> str: ...
    async def initial_metadata(self) -> Any: ...
    async def trailing_metadata(self) -> Any: ...
    def cancel(self) -> bool: ...
    def done(self) -> bool: ...

class Unary(Protocol[Request, Answer]):
    def __call__(
        self,
        request: Request,
        *,
        timeout: float | None = None,
        metadata: Sequence[tuple[str, str | bytes]] | None = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Call[Answer]: ...
