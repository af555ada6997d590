"""What answers told: ids of rows that exist, their names, etags and tokens, for the requests to come."""

import re
from collections import defaultdict, deque
from collections.abc import Iterator
from random import Random

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

# What is asked for by another name than it is told by.
_ALIASES = {"guest_token": "access_token", "parent": "category", "start_table": "table"}
_KEPT = 40  # of each kind, the newest: rows that were deleted fade away
_ID = re.compile(r"^c[a-z0-9]{24}$")


class Pool:
    """Values by what they are of: `cart` has ids of carts, `slug` has slugs.

    What a caller was told themselves is theirs; everybody's is what they try on rows of others.
    """

    def __init__(self) -> None:
        self._everybodys: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_KEPT))
        self._own: dict[tuple[str, str], deque[str]] = defaultdict(lambda: deque(maxlen=_KEPT))
        self._withheld: set[str] = set()

    def withhold(self, value: str) -> None:
        """Never give this one: whoever it names is needed as they are."""
        self._withheld.add(value)

    def learn(self, caller: str, answer: Message) -> None:
        """Keep what an answer tells."""
        for kind, value in _told(answer):
            if value and value not in self._withheld:
                self._everybodys[kind].append(value)
                self._own[caller, kind].append(value)

    def put(self, kind: str, value: str) -> None:
        """Keep what is known without an answer."""
        self._everybodys[kind].append(value)

    def forget(self, caller: str) -> None:
        """Whoever is so called is somebody else from now on."""
        for key in [key for key in self._own if key[0] == caller]:
            del self._own[key]

    def known(self, kind: str) -> str:
        """The kind that values of this one are kept under: `address` for `shipping_address`; empty where none is."""
        kind = _ALIASES.get(kind, kind)
        if kind in self._everybodys:
            return kind
        return next((each for each in self._everybodys if each.endswith(f"_{kind}") or kind.endswith(f"_{each}")), "")

    def give(self, random: Random, caller: str, kind: str) -> str:
        """A value of this kind, rather the caller's own; empty where none is known."""
        kind = self.known(kind)
        own, everybodys = self._own.get((caller, kind)), self._everybodys.get(kind, ())
        chosen = own if own and random.random() < 0.7 else everybodys
        return random.choice(chosen) if chosen else ""

    def any_id(self, random: Random) -> str:
        """An id of whatever kind; empty where none is known."""
        ids = [values for values in self._everybodys.values() if values and _ID.match(values[0])]
        return random.choice(random.choice(ids)) if ids else ""


def kind_of(field: FieldDescriptor, subject: str) -> str:
    """What a text field tells, or asks for: `cart_id` a cart, `id` and `ids` the subject, others themselves."""
    name = str(field.name)
    if name in ("id", "ids"):
        return subject
    return re.sub(r"_ids?$", "", name)


def snake(name: str) -> str:
    """`product_variant` of `ProductVariant`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _told(message: Message) -> Iterator[tuple[str, str]]:
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for each in value if field.is_repeated else (value,):
                if isinstance(each, Message):
                    yield from _told(each)
        elif field.type == field.TYPE_STRING:
            kind = kind_of(field, snake(message.DESCRIPTOR.name)).removeprefix("next_")
            for each in value if field.is_repeated else (value,):
                yield kind, each
