"""WeChat customer service (微信客服): accounts, sessions, and the one stream of messages and events of each account.

What the bot sends itself lies in the stream as well (`origin` 0): `sync_msg` passes over it, so a page may hold fewer
messages than asked for, or none, and still say that there is more.
"""

from __future__ import annotations

import base64
import random
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from bot.sandbox.errors import ApiError, NotFoundError
from bot.sandbox.journal import Journal
from bot.sandbox.population import Population, token_of

#: A session ends, a customer may no longer be written to, and a code ends after so long.
WINDOW_SECONDS = 48 * 3600
HISTORY_SECONDS = 3 * 86_400
TOKEN_SECONDS = 600
MAX_ACCOUNTS = 5000
#: `origin` of a message: 0 the bot's own, which sync_msg does not tell.
OWN, CUSTOMER, EVENT, SERVICER = 0, 3, 4, 5
#: service_state.
NEW, BOT, POOL, HUMAN, ENDED = 0, 1, 2, 3, 4

CodeKind = Literal["welcome", "pool", "pickup", "closing"]
CODE_SECONDS: dict[CodeKind, float] = {"welcome": 20, "pool": WINDOW_SECONDS, "pickup": WINDOW_SECONDS, "closing": 20}
_CODES_KEPT = 50_000


@dataclass(slots=True)
class KfAccount:
    """`servicers`: userid → status as the list tells it: 0 receiving, 1 stopped. `granted`: the app may use it."""

    open_kfid: str
    name: str
    media_id: str = ""
    servicers: dict[str, int] = field(default_factory=dict)
    departments: list[int] = field(default_factory=list)
    granted: bool = True
    deleted: bool = False


@dataclass(slots=True)
class KfSession:
    """How a customer stands to an account. Use `Kf.state_of`: a session that lies idle ends by itself."""

    open_kfid: str
    external_userid: str
    state: int = ENDED
    servicer_userid: str = ""
    #: The customer's latest message, and how many the bot has sent since.
    asked_at: float = 0.0
    sent: int = 0
    #: The latest of anything.
    active_at: float = 0.0
    welcomed_at: float = 0.0
    entered_at: float = 0.0
    scene: str = ""
    scene_param: str = ""
    #: A change of the state by the API has given its code in this session.
    coded: bool = False
    #: What becomes of the bot's next messages: fail_type of each.
    failing: list[int] = field(default_factory=list)


@dataclass(slots=True)
class KfMessage:
    """One line of an account's stream; `seq` grows over all accounts."""

    seq: int
    open_kfid: str
    external_userid: str
    msgid: str
    at: float
    origin: int
    msgtype: str
    content: dict[str, Any]
    servicer_userid: str = ""
    recalled: bool = False


@dataclass(slots=True)
class KfCode:
    code: str
    kind: CodeKind
    open_kfid: str
    external_userid: str
    issued_at: float
    #: The session must still be in this state; for a welcome it does not matter.
    state: int
    used: bool = False


class Kf:
    """Customer service of one company. A session or account handed out may be changed and given back with `put`."""

    def __init__(self, population: Population, journal: Journal, seed: str) -> None:
        self._journal, self._seed = journal, seed
        self._rng = random.Random(f"{seed}:kf")
        self._accounts: dict[str, KfAccount] = {}
        self._sessions: dict[tuple[str, str], KfSession] = {}
        self._streams: dict[str, list[KfMessage]] = {}
        self._chats: dict[tuple[str, str], list[KfMessage]] = {}
        self._sent: dict[str, set[str]] = {}
        self._tokens: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._codes: OrderedDict[str, KfCode] = OrderedDict()
        self._seq = 0
        if population.service:
            members = [member.userid for member in population.service[:3]]
            first = KfAccount(
                f"wk{token_of(population.seed, 'kf')[:30]}", f"{population.company.name[:12]}客服", "",
                dict.fromkeys(members, 0),
            )  # fmt: skip
            self._accounts[first.open_kfid] = first
        for open_kfid, account in journal.load("kf_account", KfAccount):
            self._accounts[open_kfid] = account
        for _, session in journal.load("kf_session", KfSession):
            self._sessions[session.open_kfid, session.external_userid] = session
        for _, message in journal.load("kf_message", KfMessage):
            self._keep(message)

    # -- accounts

    def accounts(self) -> list[KfAccount]:
        """Those that exist, in the order of their making."""
        return [account for account in self._accounts.values() if not account.deleted]

    def find_account(self, open_kfid: str) -> KfAccount | None:
        account = self._accounts.get(open_kfid)
        return None if account is None or account.deleted else account

    def get_account(self, open_kfid: str) -> KfAccount:
        """The account; "" is the first one."""
        found = self.find_account(open_kfid) if open_kfid else next(iter(self.accounts()), None)
        if found is None:
            raise NotFoundError(
                f"There is no customer-service account {open_kfid!r}.", "GET /sandbox/kf/accounts lists them."
            )
        return found

    def add_account(self, name: str, media_id: str) -> KfAccount:
        account = KfAccount(f"wk{token_of(self._seed, 'kf', len(self._accounts))[:30]}", name, media_id)
        self.put_account(account)
        return account

    def put_account(self, account: KfAccount) -> None:
        self._accounts[account.open_kfid] = account
        self._journal.put("kf_account", account.open_kfid, account)

    # -- links

    def link_of(self, account: KfAccount, scene: str) -> str:
        """Where a customer enters the account; the scene travels in the link."""
        hidden = base64.urlsafe_b64encode(scene.encode()).decode().rstrip("=")
        return f"https://work.weixin.qq.com/kf/kfc{token_of(account.open_kfid)[:15]}?enc_scene=ENC{hidden}"

    def follow_link(self, url: str) -> tuple[KfAccount, str, str]:
        """(account, scene, scene_param) of a link. Raises NotFoundError."""
        try:
            parts = urlsplit(url)
            query = parse_qs(parts.query)
            hidden = query.get("enc_scene", ["ENC"])[0].removeprefix("ENC")
            scene = base64.urlsafe_b64decode(hidden + "=" * (-len(hidden) % 4)).decode()
        except ValueError:
            raise NotFoundError("This is no link to customer service.") from None
        for account in self.accounts():
            if parts.path.endswith(f"/kfc{token_of(account.open_kfid)[:15]}"):
                return account, scene, query.get("scene_param", [""])[0]
        raise NotFoundError("The link leads to no customer-service account.", "kf/add_contact_way makes one.")

    # -- sessions

    def session(self, open_kfid: str, external_userid: str) -> KfSession:
        """How the two stand; a new record when they never met."""
        found = self._sessions.get((open_kfid, external_userid))
        return found or KfSession(open_kfid, external_userid)

    def find_session(self, open_kfid: str, external_userid: str) -> KfSession | None:
        return self._sessions.get((open_kfid, external_userid))

    def sessions(self, open_kfid: str = "") -> Iterator[KfSession]:
        """Every session, or those of one account."""
        return (one for one in self._sessions.values() if not open_kfid or one.open_kfid == open_kfid)

    def put_session(self, session: KfSession) -> None:
        self._sessions[session.open_kfid, session.external_userid] = session
        self._journal.put("kf_session", f"{session.open_kfid}|{session.external_userid}", session)

    def state_of(self, session: KfSession, now: float) -> int:
        """service_state; one that lay idle for 48 hours has ended."""
        if session.state != ENDED and now - session.active_at >= WINDOW_SECONDS:
            return ENDED
        return session.state

    # -- the stream

    def write(
        self,
        open_kfid: str,
        external_userid: str,
        origin: int,
        msgtype: str,
        content: dict[str, Any],
        at: float,
        *,
        msgid: str = "",
        servicer_userid: str = "",
    ) -> KfMessage:
        """Put one message or event at the end of the account's stream."""
        self._seq += 1
        msgid = msgid or token_of(self._seed, "kfmsg", self._seq)
        message = KfMessage(
            self._seq, open_kfid, external_userid, msgid, at, origin, msgtype, content, servicer_userid
        )  # fmt: skip
        self._keep(message)
        self._journal.put("kf_message", str(message.seq), message)
        return message

    def change(self, message: KfMessage) -> None:
        """A message was changed in place."""
        self._journal.put("kf_message", str(message.seq), message)

    def _keep(self, message: KfMessage) -> None:
        self._seq = max(self._seq, message.seq)
        self._streams.setdefault(message.open_kfid, []).append(message)
        if message.external_userid:
            self._chats.setdefault((message.open_kfid, message.external_userid), []).append(message)
        if message.origin == OWN:
            self._sent.setdefault(message.open_kfid, set()).add(message.msgid)

    def sent_before(self, open_kfid: str, msgid: str) -> bool:
        return msgid in self._sent.get(open_kfid, ())

    def claim(self, open_kfid: str, msgid: str) -> None:
        """A msgid is taken although its message never arrived."""
        self._sent.setdefault(open_kfid, set()).add(msgid)

    def chat(self, open_kfid: str, external_userid: str) -> list[KfMessage]:
        """Everything between the two, the bot's own messages and events too."""
        return self._chats.get((open_kfid, external_userid), [])

    def stream(self, open_kfid: str = "") -> Iterator[KfMessage]:
        """Every line of one account, or of all, in order."""
        streams = [self._streams.get(open_kfid, [])] if open_kfid else list(self._streams.values())
        for lines in streams:
            yield from lines

    def page(self, open_kfid: str, cursor: str, limit: int, now: float) -> tuple[list[KfMessage], str, bool]:
        """(messages, next_cursor, whether there is more) after a cursor. Raises ApiError 50100."""
        stream = self._streams.get(open_kfid, [])
        start = max(min(self._read_cursor(open_kfid, cursor), len(stream)), self._oldest(stream, now))
        lines = stream[start : start + limit]
        end = start + len(lines)
        told = [line for line in lines if line.origin != OWN]
        return told, self._write_cursor(open_kfid, end), end < len(stream)

    @staticmethod
    def _oldest(stream: list[KfMessage], now: float) -> int:
        """The place of the first line of the last three days."""
        low, high = 0, len(stream)
        while low < high:
            middle = (low + high) // 2
            if now - stream[middle].at >= HISTORY_SECONDS:
                low = middle + 1
            else:
                high = middle
        return low

    @staticmethod
    def _write_cursor(open_kfid: str, place: int) -> str:
        return base64.urlsafe_b64encode(f"{token_of(open_kfid)[:8]}:{place}".encode()).decode()

    @staticmethod
    def _read_cursor(open_kfid: str, cursor: str) -> int:
        if not cursor:
            return 0
        try:
            mark, _, digits = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
        except ValueError:
            raise ApiError(50100) from None
        if mark != token_of(open_kfid)[:8] or not (digits.isascii() and digits.isdigit()):
            raise ApiError(50100)
        return int(digits)

    # -- tokens and codes: they outlive no restart

    def issue_token(self, open_kfid: str, now: float) -> str:
        """A token for sync_msg, as one event carries it."""
        token = f"ENC{''.join(self._rng.choices(_LETTERS, k=44))}"
        self._tokens[token] = (open_kfid, now)
        while len(self._tokens) > _CODES_KEPT:
            self._tokens.popitem(last=False)
        return token

    def check_token(self, token: str, open_kfid: str, now: float) -> None:
        """Raises ApiError 95007 for a token that is unknown, older than ten minutes, or of another account."""
        account, issued_at = self._tokens.get(token, ("", 0.0))
        if account != open_kfid or now - issued_at >= TOKEN_SECONDS:
            raise ApiError(95007)

    def issue_code(self, kind: CodeKind, session: KfSession, now: float) -> str:
        """A code for send_msg_on_event."""
        code = "".join(self._rng.choices(_LETTERS, k=43))
        self._codes[code] = KfCode(code, kind, session.open_kfid, session.external_userid, now, session.state)
        while len(self._codes) > _CODES_KEPT:
            self._codes.popitem(last=False)
        return code

    def open_code(self, code: str, now: float) -> KfCode:
        """The code, if it may be used. Raises ApiError 40029: unknown, used, or too old."""
        found = self._codes.get(code)
        if found is None or found.used or now - found.issued_at >= CODE_SECONDS[found.kind]:
            raise ApiError(40029)
        return found


_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
