"""Tracked links: what a link may be, its address, and the signed state that comes back with who followed it."""

from __future__ import annotations

import hashlib
import hmac
import re
import string
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from pydantic import Field

from bot.phrases import Phrase
from data.rules.messages import URL_MAX_BYTES, url_problems
from data.rules.problems import Problem, RuleModel, SortedSet
from data.rules.tags import Id

NAME_MAX_LENGTH = 32
TAGS_MAX = 20
#: Ten of 62 characters: 8 * 10^17 codes, which nobody guesses.
CODE_LENGTH = 10
_ALPHABET = string.digits + string.ascii_letters
CODE = re.compile(f"[0-9A-Za-z]{{{CODE_LENGTH}}}", re.ASCII)
PATH = "/l/"
#: From the way to WeCom until the way back; a person does nothing in between.
STATE_LIFE = timedelta(minutes=15)

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.ASCII)
_VIA = re.compile(r"(w-)?([0-9a-z]{1,12})", re.ASCII)
_STATE = re.compile(r"[0-9a-f]{73}", re.ASCII)
#: What stays as it is in an address; everything else is percent-encoded.
_SAFE = "%/?#[]!$&'()*+,;=:@~-._"


class Visitor(StrEnum):
    """Who has followed a link: a customer; somebody WeCom knows no customer in; staff; nobody that WeCom named."""

    CUSTOMER = "customer"
    OUTSIDER = "outsider"
    STAFF = "staff"
    UNKNOWN = "unknown"


class LinkDraft(RuleModel):
    """A link to be made; see `Link`."""

    name: str = Field(min_length=1, max_length=NAME_MAX_LENGTH)
    url: str
    tag_ids: SortedSet[Id] = Field(default=frozenset(), max_length=TAGS_MAX)
    tells_staff: bool = False


class LinkEdit(RuleModel):
    """What to change of a link; None stays."""

    url: str | None = None
    tag_ids: SortedSet[Id] | None = Field(default=None, max_length=TAGS_MAX)
    tells_staff: bool | None = None


def name_problems(name: str) -> list[Problem]:
    """What is wrong with a name: texts name the link by it, so it has to be one word as Jinja reads words."""
    if not f"_{name}".isidentifier() or unicodedata.normalize("NFKC", name) != name:
        return [Problem("name", Phrase("只能用文字、数字和下划线，文字模板里会写成 {{ link_名称 }}"))]
    return []


def target_problems(url: str, public_url: str) -> list[Problem]:
    """What is wrong with an address to lead to: browsers and we must read it alike, and it must not lead back here."""
    found = url_problems("url", url)
    if found:
        return found
    parts = urlsplit(url)
    if "\\" in url or "@" in parts.netloc:
        return [Problem("url", Phrase("网址里不能有反斜杠，域名前不能有用户名"))]
    if not _HOST.fullmatch(parts.hostname or ""):
        return [Problem("url", Phrase("域名只能用字母、数字、点和连字符；中文域名请写成 xn-- 开头的形式"))]
    if len(normal_target(url)) > URL_MAX_BYTES:
        return [Problem("url", Phrase("编码后超过 %(most)s 字节", most=URL_MAX_BYTES))]
    own = urlsplit(public_url)
    if own.hostname and (parts.hostname, parts.port) == (own.hostname, own.port) and parts.path.startswith(PATH):
        return [Problem("url", Phrase("不能指向另一个跟踪链接"))]
    return []


def normal_target(url: str) -> str:
    """An address as it is kept: plain ASCII, the scheme and the host in small letters; a page of ours by its path."""
    if url.startswith("/"):
        return url
    parts = urlsplit(url)
    rest = url.split("://", 1)[1][len(parts.netloc) :]
    return f"{parts.scheme}://{parts.netloc.lower()}{quote(rest, safe=_SAFE)}"


def new_code(choose: Callable[[str], str]) -> str:
    """A code nobody can guess; `choose` draws one character, as `secrets.choice` does."""
    return "".join(choose(_ALPHABET) for _ in range(CODE_LENGTH))


class Via(NamedTuple):
    """What a link stands in: what a batch sends, or the welcome of an event. Both 0: neither is known."""

    batch_id: int = 0
    event_id: int = 0


ELSEWHERE = Via()


def address_of(public_url: str, code: str, via: Via = ELSEWHERE) -> str:
    """A link's address; it says what it stands in, so that a click tells where it came from."""
    return f"{public_url}{PATH}{code}/{_told(via)}".rstrip("/")


def mark_of(code: str, via: Via = ELSEWHERE) -> str:
    """The same for a page that no address can lead to."""
    return f"{code}-{_told(via)}".rstrip("-")


def read_mark(mark: str) -> tuple[str, Via]:
    """The code of a mark, and what it stood in; the code is empty where we never wrote such a mark."""
    code, _, told = mark.partition("-")
    return (code, read_via(told)) if CODE.fullmatch(code) else ("", ELSEWHERE)


def _told(via: Via) -> str:
    return f"w-{_base36(via.event_id)}" if via.event_id else _base36(via.batch_id) if via.batch_id else ""


def read_via(text: str) -> Via:
    """What the end of an address says; anybody can write one."""
    found = _VIA.fullmatch(text)
    if found is None:
        return ELSEWHERE
    number = int(found[2], 36)
    return Via(event_id=number) if found[1] else Via(batch_id=number)


def unusable(named: Mapping[str, str], retired: Mapping[str, bool], public_url: str) -> list[Problem]:
    """What is wrong with links that a text or a card names, each with its path. `retired`: of the links there are."""
    if named and not public_url:
        why = Phrase("用到了跟踪链接，请先在配置里填写 server.public_url（客户访问机器人的网址）")
        return [Problem(path, why) for path in named.values()]
    found: list[Problem] = []
    for name, path in named.items():
        if name not in retired:
            found.append(Problem(path, Phrase("没有跟踪链接 %(name)s，请先用 siyu links add 添加", name=name)))
        elif retired[name]:
            found.append(Problem(path, Phrase("跟踪链接 %(name)s 已停用", name=name)))
    return found


def _base36(number: int) -> str:
    digits = _ALPHABET[:36]
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = digits[digit] + text
    return text or "0"


# -- the state


class Way(NamedTuple):
    """Which link somebody is following, where it stood, and since when."""

    link_id: int
    via: Via
    begun_at: datetime


def key_of(secret: str) -> bytes:
    """The key of the states, made of the app's secret: all copies of the program have it, and nobody else."""
    return hmac.new(secret.encode(), b"state of a tracked link", hashlib.sha256).digest()


def sign(key: bytes, way: Way) -> str:
    """The state for WeCom: 73 letters and digits (it takes 128, doc 91022), of which 32 sign the others."""
    begun = int(way.begun_at.timestamp())
    said = f"{way.link_id:016x}{int(way.via.event_id > 0)}{way.via.event_id or way.via.batch_id:016x}{begun:08x}"
    return said + _mac(key, said)


def read_state(key: bytes, state: str) -> Way | None:
    """What a state says; None: we never made it. How old it is, is for the caller to judge."""
    if not _STATE.fullmatch(state):
        return None
    said, mac = state[:41], state[41:]
    if not hmac.compare_digest(mac, _mac(key, said)):
        return None
    number = int(said[17:33], 16)
    via = Via(event_id=number) if said[16] == "1" else Via(batch_id=number)
    return Way(int(said[:16], 16), via, datetime.fromtimestamp(int(said[33:], 16), UTC))


def _mac(key: bytes, said: str) -> str:
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()[:32]
