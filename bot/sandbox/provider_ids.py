"""Ids as another provider's app has them: WeCom gives each provider its own, and converts them for the company's apps.

They are made of ours and back without a table: a company has millions of customers.
"""

from __future__ import annotations

import base64
import string

from bot.sandbox.calls import Answer, Call, Endpoint
from bot.sandbox.errors import ApiError

#: The app of another provider that the sample company has authorised.
PROVIDER_AGENTID = 1000100
MAX_OPEN_USERIDS = 1000
_LETTERS = string.ascii_letters + string.digits + "-_"
_PLACES = {letter: place for place, letter in enumerate(_LETTERS)}
#: Userids are filled up to so many bytes, or to the next three.
_LEAST_BYTES = 27


def as_provider(external_userid: str) -> str:
    """The id that the other provider's app has for a customer."""
    return external_userid[:2] + _turned(external_userid[2:], 1)


def as_open_userid(userid: str) -> str:
    """The id that it has for a member."""
    written = userid.encode()
    filled = written.ljust(max(_LEAST_BYTES, -(-len(written) // 3) * 3), b"\0")
    told = base64.urlsafe_b64encode(filled).decode()
    return "wo" + _turned(told, 1)


def _turned(letters: str, sign: int) -> str:
    return "".join(
        _LETTERS[(_PLACES[letter] + sign * (7 + 5 * number)) % 64] if letter in _PLACES else letter
        for number, letter in enumerate(letters)
    )


def _userid_of(open_userid: str) -> str:
    try:
        told = base64.b64decode(_turned(open_userid[2:], -1), altchars=b"-_", validate=True).rstrip(b"\0").decode()
    except ValueError:
        return ""
    return told if as_open_userid(told) == open_userid else ""


def _require_source(call: Call) -> None:
    if call.params.number("source_agentid", 0) != PROVIDER_AGENTID:
        raise ApiError(40056)


async def from_service(call: Call) -> Answer:
    told = call.params.text("external_userid")
    if not told:
        raise ApiError(41035)
    _require_source(call)
    ours = told[:2] + _turned(told[2:], -1)
    customers = call.world.customers
    if customers.find(ours) is None:
        raise ApiError(40096)
    members = [call.world.directory.find(each.userid) for each in customers.follows_of(ours)]
    if not any(member is not None and call.serves(member) for member in members):
        raise ApiError(84061)
    return {"external_userid": ours}


async def from_open_userids(call: Call) -> Answer:
    told = call.params.texts("open_userid_list")
    if not told:
        raise ApiError(40058, "missing field open_userid_list")
    if len(told) > MAX_OPEN_USERIDS:
        raise ApiError(40032)
    _require_source(call)
    members = {each: call.world.directory.find(_userid_of(each)) for each in told}
    found = {
        each: member.userid
        for each, member in members.items()
        if member is not None and call.world.directory.in_range(call.app, member)
    }
    return {
        "userid_list": [{"open_userid": each, "userid": userid} for each, userid in found.items()],
        "invalid_open_userid_list": [each for each in told if each not in found],
    }


ENDPOINTS = (
    Endpoint("externalcontact/from_service_external_userid", "POST", from_service, customer_contact=True),
    Endpoint("batch/openuserid_to_userid", "POST", from_open_userids, {"userid_list": []}),
)
