"""One call of the API: its parameters, read as WeCom reads them, and what an endpoint is."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bot.sandbox.errors import ApiError
from bot.sandbox.records import App, Follow, Member

if TYPE_CHECKING:
    from bot.sandbox.machine import Machine
    from bot.sandbox.world import World


class Params:
    """Parameters by name. A value of the wrong type is ignored and remembered, as WeCom does: see `wrong`."""

    def __init__(self, values: Mapping[str, Any], *, query: bool = False, root: Params | None = None) -> None:
        self.values, self._query = values, query
        self._root = root or self
        #: Something could not be parsed; the answer says so in its errmsg.
        self.wrong = False

    def _refuse(self) -> None:
        self._root.wrong = True

    def has(self, name: str) -> bool:
        return self.values.get(name) is not None

    def text(self, name: str, default: str = "") -> str:
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            self._refuse()
            return default
        return value

    def number(self, name: str, default: int) -> int:
        found = self.optional_number(name)
        return default if found is None else found

    def optional_number(self, name: str) -> int | None:
        value = self.values.get(name)
        if value is None:
            return None
        if self._query and isinstance(value, str) and value.lstrip("-").isascii() and value.lstrip("-").isdigit():
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            if not self._query or value:
                self._refuse()
            return None
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        if isinstance(value, int) and value in (0, 1):
            return bool(value)
        self._refuse()
        return default

    def texts(self, name: str) -> list[str]:
        value = self._list(name)
        texts = [entry for entry in value if isinstance(entry, str)]
        if len(texts) != len(value):
            self._refuse()
        return texts

    def numbers(self, name: str) -> list[int]:
        value = self._list(name)
        numbers = [entry for entry in value if isinstance(entry, int) and not isinstance(entry, bool)]
        if len(numbers) != len(value):
            self._refuse()
        return numbers

    def object(self, name: str) -> Params:
        """The object of that name; an empty one when there is none."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, dict):
            self._refuse()
        return Params(value if isinstance(value, dict) else {}, root=self._root)

    def objects(self, name: str) -> list[Params]:
        value = self._list(name)
        found = [Params(entry, root=self._root) for entry in value if isinstance(entry, dict)]
        if len(found) != len(value):
            self._refuse()
        return found

    def _list(self, name: str) -> list[Any]:
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self._refuse()
            return []
        return value

    def __bool__(self) -> bool:
        return bool(self.values)


def read_json(body: bytes) -> Any:
    """The value that a JSON body holds; half characters (lone surrogates) become "?". Raises ValueError."""
    try:
        value = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if b"\\ud" in body or b"\\uD" in body:
        value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    return value


@dataclass(slots=True)
class Call:
    """What an endpoint works with."""

    machine: Machine
    app: App
    params: Params
    request: web.Request
    #: Epoch seconds, taken once per call.
    now: float

    @property
    def world(self) -> World:
        return self.machine.world

    def member(self, name: str = "userid") -> Member:
        """The member whom parameter `name` names. Raises ApiError 40003 (missing, unknown, outside the range)."""
        member = self.world.directory.find(self.params.text(name))
        if member is None or not self.world.directory.in_range(self.app, member):
            raise ApiError(40003)
        return member

    def follow(self) -> Follow:
        """The follow that `userid` and `external_userid` name.

        Raises ApiError 40003 (no such member), 41035 and 40096 (no such customer), 84061 (not in contact, or half).
        """
        member = self.member()
        external_userid = self.params.text("external_userid")
        if not external_userid:
            raise ApiError(41035)
        if self.world.customers.find(external_userid) is None:
            raise ApiError(40096)
        follow = self.world.customers.find_follow(member.userid, external_userid)
        if follow is None or follow.friendship not in ("mutual", "left") or not self.serves(member):
            raise ApiError(84061)
        return follow

    def serves(self, member: Member) -> bool:
        return self.world.directory.serves(self.app, member)


#: A dict becomes the JSON body; bytes are a finished JSON body; a Response goes out as it is.
Answer = dict[str, Any] | bytes | web.StreamResponse
Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(slots=True, frozen=True)
class Endpoint:
    """One API path under /cgi-bin/."""

    path: str
    method: str
    handler: Handler
    #: Fields that stand in every answer, also in an error's: the lists of the response, empty.
    empty: Mapping[str, Any] = field(default_factory=dict)
    #: Only for apps that may call customer-contact APIs (48002).
    customer_contact: bool = False
    needs_token: bool = True
    #: The body is a file (multipart), read by the handler; JSON otherwise.
    multipart: bool = False


@dataclass(slots=True, frozen=True)
class CallRecord:
    """One call as it was received."""

    seq: int
    at: float
    path: str
    method: str
    agentid: int
    errcode: int
    #: SHA-256 of the query (without token) and body: equal calls have equal digests.
    params_digest: str
    userid: str
    external_userid: str
    fault: str
    seconds: float


class CallLog:
    """The latest calls, and counts of all."""

    def __init__(self, kept: int = 20_000) -> None:
        self._records: deque[CallRecord] = deque(maxlen=kept)
        self.counts: Counter[tuple[str, int]] = Counter()
        self.seq = 0

    def add(self, record: CallRecord) -> None:
        self._records.append(record)
        self.counts[record.path, record.errcode] += 1

    def since(self, seq: int, path: str = "", limit: int = 1000) -> list[CallRecord]:
        """The oldest `limit` of the kept calls after number `seq`."""
        records = (record for record in self._records if record.seq > seq and (not path or record.path == path))
        return list(islice(records, limit))

    def clear(self) -> None:
        self._records.clear()
        self.counts.clear()
