"""Webhooks: how a call is signed, where it may lead, and when it is tried again."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Annotated, Any, Literal

from pydantic import Field
from yarl import URL

from bot.phrases import Phrase
from data.rules.messages import url_problems
from data.rules.problems import Problem, RuleModel, SortedSet
from data.rules.retry import pause_seconds

#: What a program may be told of: happenings of customers, and sendings of campaigns that are over.
EVENTS = ("added", "lost", "tagged", "ordered", "campaign_finished")
TAGS_MAX, URL_MAX_LENGTH = 50, 1024
#: So long after it was made a call is repeated; then it is given up.
REPEATED_FOR = timedelta(days=1)

#: IPv4 addresses written as IPv6 ones: for a translator (RFC 6052), and as was done once (RFC 4291).
_HOLD_IPV4 = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))
#: For translators within a network (RFC 8215).
_TRANSLATED_INSIDE = IPv6Network("64:ff9b:1::/48")


class WebhookDraft(RuleModel):
    """A program that is to be told: where, and of what. Of tags it is told those that it names."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    url: Annotated[str, Field(min_length=1, max_length=URL_MAX_LENGTH)]
    events: SortedSet[Literal["added", "lost", "tagged", "ordered", "campaign_finished"]]
    tag_ids: SortedSet[Annotated[str, Field(min_length=1, max_length=64)]] = frozenset()


def draft_problems(draft: WebhookDraft, *, private: bool) -> list[Problem]:
    """What keeps it from being told."""
    found = list(url_problems("url", draft.url))
    if not found and leads_inside(draft.url) and not private:
        found.append(Problem("url", Phrase("这是内网地址：配置 journeys.webhook_private 后才能使用")))
    if not draft.events:
        found.append(Problem("events", Phrase("请至少选择一种事件")))
    if "tagged" in draft.events and not 0 < len(draft.tag_ids) <= TAGS_MAX:
        found.append(Problem("tag_ids", Phrase("请选择 1 到 %(most)s 个标签", most=TAGS_MAX)))
    return found


def secret_of(secret: str, webhook_id: int, salt: str) -> str:
    """What signs the calls of one webhook: whoever knows it knows neither the configuration's secret nor another's."""
    return hmac.new(secret.encode(), f"webhook {webhook_id} {salt}".encode(), hashlib.sha256).hexdigest()


def ears_of(events: Iterable[str], tag_ids: Iterable[str]) -> list[str]:
    """The happenings that it is told of, by their names (`data.rules.happenings.ear`)."""
    plain = [each for each in events if each in ("added", "lost", "ordered")]
    tags = [f"tagged:{put}:{tag_id}" for tag_id in tag_ids for put in ("on", "off")] if "tagged" in events else []
    return plain + tags


def body_bytes(body: Mapping[str, Any]) -> bytes:
    """The body as it is sent and signed: JSON in UTF-8."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    # A name cut inside a character elsewhere must not keep the call from being sent.
    return text.encode("utf-8", "replace")


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """`sha256=` and the HMAC of timestamp (Unix seconds), a full stop and the body, in hexadecimal."""
    signed = f"{timestamp}.".encode() + body
    return f"sha256={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def call_id(number: int, made_at: datetime) -> str:
    """What a call is known by, the same in every repeat: numbers of rows that were removed may come again."""
    return f"{number}-{int(made_at.timestamp())}"


def host_of(url: str) -> str:
    """Host and port of an address: what answers or does not."""
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2].lower()


def is_taken(status: int) -> bool:
    """Whether an HTTP status says that a call was taken. A redirect is not followed."""
    return 200 <= status < 300


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet, not of this machine or of a private network.

    Of addresses that hold one of IPv4 that one counts. Raises ValueError for what is no address.
    """
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        held = found.ipv4_mapped or found.sixtofour
        if held is None and any(found in each for each in _HOLD_IPV4):
            held = IPv4Address(int(found) & 0xFFFFFFFF)
        elif held is None and found in _TRANSLATED_INSIDE:
            return False
        found = held or found
    return found.is_global and not found.is_multicast


def leads_inside(url: str) -> bool:
    """Whether an address says itself that it is not of the internet; a name may still turn out to be.

    So does every other way to write numbers (`127.1`, `2130706433`): whoever connects reads an address in them.
    """
    try:
        # As whoever connects reads it: letters and digits of other scripts are those of ours then.
        host = (URL(url).host or "").rstrip(".").lower()
    except ValueError:
        return False
    try:
        return not is_public(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost") or not host.strip("0123456789.")


def next_try(
    made_at: datetime, attempts: int, now: datetime, asked_seconds: float | None = None, spread: float = 0.5
) -> datetime | None:
    """When a call is tried again after `attempts` that failed; None: it is given up. See `pause_seconds`."""
    pause = pause_seconds(attempts, attempts + 1, asked_seconds, spread)
    assert pause is not None  # there is always one more by number
    again = now + timedelta(seconds=pause)
    return again if again <= made_at + REPEATED_FOR else None
