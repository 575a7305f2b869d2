"""What a view of the console is given: who asks, for what, and how to answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from aiohttp import web
from multidict import MultiDict
from sqlmodel import Session

from bot.config import Settings
from bot.console.logins import Logins, Reader
from bot.console.painting import Painter
from bot.console.trials import Trials
from bot.console.turns import Turns
from bot.context import Context
from bot.saying import Words, told
from data.db import Database
from data.models import Account, Role
from data.queries import audit
from data.queries.accounts import list_visible
from data.queries.audit import Actor

if TYPE_CHECKING:
    from bot.console.streams import Streams

Found = TypeVar("Found")

#: Each may see what the one before may.
RANKS = (Role.STAFF, Role.MANAGER, Role.ADMIN)


def may(account: Account, role: Role) -> bool:
    """Whether an account may do what this role may."""
    return RANKS.index(Role(account.role)) >= RANKS.index(role)


@dataclass(frozen=True, slots=True)
class Place:
    """Where pages are shown: in the console, or beside a chat. `notice`: the template that says why not, `part` the
    same inside of a page; `sign_in`: the path that finds out who it is; `members_only`: an account without a member is
    nobody here; `customer`: the page of a customer on which faults are told; `tabs`: what may stand behind its path."""

    notice: str = "notice_page"
    part: str = "notice_part"
    sign_in: str = "/console/sign-in"
    members_only: bool = False
    customer: Callable[..., Awaitable[web.Response]] | None = None
    tabs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of the program that views use. `plan`: what an event would be handled by; `jobs`: how often each job
    runs, in seconds, by name; `run_job`: have one run at once."""

    context: Context
    inbox: Database
    plan: Callable[[Any], Any]
    jobs: Mapping[str, float]
    run_job: Callable[[str], Awaitable[None]]
    painter: Painter
    logins: Logins
    streams: Streams
    place: Place = field(default_factory=Place)
    turns: Turns = field(default_factory=Turns)
    trials: Trials = field(default_factory=Trials)


@dataclass
class Ask:
    """One request by somebody who is signed in. `form`: what was sent, after its origin has been checked."""

    request: web.Request
    parts: Parts
    reader: Reader
    form: MultiDict[Any] = field(default_factory=MultiDict)
    _visible: list[frozenset[str] | None] = field(default_factory=list, repr=False)

    @property
    def account(self) -> Account:
        return self.reader.account

    def visible(self, session: Session) -> frozenset[str] | None:
        """The members whose customers who asks sees (None: everybody's), found out once for a request."""
        if not self._visible:
            self._visible.append(list_visible(session, self.account))
        return self._visible[0]

    @property
    def ctx(self) -> Context:
        return self.parts.context

    @property
    def db(self) -> Database:
        return self.ctx.db

    @property
    def settings(self) -> Settings:
        return self.ctx.settings

    @property
    def zone(self) -> tzinfo:
        """The company's."""
        return self.settings.zone

    @cached_property
    def now(self) -> datetime:
        """When it was asked, by the program's clock."""
        return self.ctx.clock.now()

    @cached_property
    def language(self) -> str:
        return self.parts.painter.language_of(self.request, self.account.language)

    @property
    def is_htmx(self) -> bool:
        """Whether a part of a page is asked for."""
        return self.request.headers.get("HX-Request") == "true" and "HX-Boosted" not in self.request.headers

    @property
    def actor(self) -> Actor:
        """Who asks, for the audit log."""
        name = self.account.name or self.account.login or self.account.userid or ""
        return Actor(self.account.id, name, self.parts.logins.ways.address_of(self.request))

    def may(self, role: str) -> bool:
        """Whether who asks may do what this role may."""
        return may(self.account, Role(role))

    def _(self, text: str, /, **values: object) -> str:
        """A text in the reader's language, with values filled in: `ask._("共 %(count)s 位", count=3)`."""
        return self.parts.painter.say(self.language, text, **values)

    def told(self, what: Words | Iterable[Words]) -> str:
        """What a layer below says: an error, problems, a reason; in the reader's language."""
        return told(self.language, what)

    def show(self, template: str, status: int = 200, **values: Any) -> web.Response:
        """A page, or a part of one; whatever is filled in is escaped."""
        return self.parts.painter.paint(self.request, template, status, language=self.language, ask=self, **values)

    def go(self, path: str, said: str = "", **query: str) -> web.Response:
        """On to another page of the console, which says what has been done (a key of `painting.SAID`)."""
        asked = {**({"said": said} if said else {}), **query}
        location = path + (f"?{urlencode(asked)}" if asked else "")
        if self.is_htmx:
            return web.Response(status=204, headers={"HX-Redirect": location, "Cache-Control": "no-store"})
        return web.Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})

    async def change(
        self,
        action: str,
        what: str,
        do: Callable[[Session], Found],
        look: Callable[[Session], Mapping[str, Any] | None] | None = None,
        *,
        external_userid: str | None = None,
    ) -> Found:
        """Change something and write it down in the audit log, in one transaction.

        `action`: like `accounts.change`; `what`: like `account 3`; `look`: what the thing is, before and after.
        """
        return await self.db.write(
            partial(_change, self.actor, action, what, do, look, self.now, external_userid=external_userid)
        )

    async def note(
        self,
        action: str,
        what: str,
        after: Mapping[str, Any] | None = None,
        before: Mapping[str, Any] | None = None,
        external_userid: str | None = None,
    ) -> None:
        """Write down in the audit log what has been done elsewhere, as in WeCom or the inbox, or in several steps."""
        await self.db.write(partial(audit.add_entry, actor=self.actor, action=action, what=what, before=before,
                                    after=after, now=self.now, external_userid=external_userid))  # fmt: skip

    def text(self, name: str, longest: int = 2000) -> str:
        """A field of the form as text without blanks around it; empty where there is none."""
        value = self.form.get(name, "")
        return value.strip()[:longest] if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str]:
        """All values of a field."""
        return [each for each in self.form.getall(name, []) if isinstance(each, str)]

    def number(self, name: str) -> int | None:
        """A field of the form as a whole number."""
        return number_of(self.text(name))

    def asked_number(self, name: str) -> int | None:
        """A whole number in the address."""
        return number_of(self.request.query.get(name, ""))

    def path_number(self, name: str = "id") -> int:
        """A number in the path; routes let only digits through."""
        return int(self.request.match_info[name])


def number_of(text: str) -> int | None:
    """A whole number that a database can hold, or None."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None


def _change(
    actor: Actor,
    action: str,
    what: str,
    do: Callable[[Session], Found],
    look: Callable[[Session], Mapping[str, Any] | None] | None,
    now: datetime,
    session: Session,
    *,
    external_userid: str | None,
) -> Found:
    before = look(session) if look else None
    result = do(session)
    session.flush()
    after = look(session) if look else None
    audit.add_entry(session, actor, action, what, before, after, now, external_userid=external_userid)
    return result


#: A view answers an Ask.
View = Callable[[Ask], Awaitable[web.StreamResponse]]
