"""What WeCom's answers mean for the caller: one class per thing to do next, one place that chooses it.

No error carries an access token, a secret or a customer's words: messages are built from the API's path, the code
and WeCom's own short text with its quoted values taken out.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final, Literal

from bot.errors import RetryLaterError, SiyuError
from bot.wecom.codes import CODES, Code, Kind

ERRMSG_MAX_CHARS: Final = 200

_TAIL = re.compile(r",?\s*(?:hint:\s*\[[^\]]*\]?|from ip:|more info at).*\Z", re.S)
_JSON_WARNING = re.compile(r"Warning: wrong json format\.?\s*", re.I)
_SECRET = re.compile(r"((?:access_token|corpsecret|secret|ticket|code)\s*[=:]\s*)[^\s&,;]+", re.I)
_QUOTED = re.compile(r"`([^`]*)`|\"([^\"]*)\"|'([^']*)'")
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_.\[\]]{0,40}")
_NOT_PLAIN = re.compile(r"[^\x20-\x7e]+")


class WeComError(SiyuError):
    """WeCom refused a call, or a call to WeCom came to nothing.

    `errcode` is WeCom's number (None where WeCom did not answer), `errmsg` its short text, `path` the API below
    `/cgi-bin/`, `retryable` whether the same call can succeed without anybody changing anything, `after_seconds` the
    pause to keep before that (None: the caller's own backoff). `earlier_attempt_unanswered`: an earlier attempt of
    this same call got no answer, so a refusal such as "already done" may be due to our own first attempt.
    """

    def __init__(
        self,
        message: str,
        remedy: str = "",
        *,
        errcode: int | None = None,
        errmsg: str = "",
        path: str = "",
        retryable: bool = False,
        after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, remedy)
        self.errcode = errcode
        self.errmsg = errmsg
        self.path = path
        self.retryable = retryable
        self.after_seconds = after_seconds
        self.earlier_attempt_unanswered = False


class RateLimitedError(WeComError, RetryLaterError):
    """The budget of this API is used up, WeCom's (45009) or our own: call again after `after_seconds`."""


class BusyError(WeComError, RetryLaterError):
    """WeCom is busy or another change to the same thing is under way; nothing was done. Try again later."""


class NotReadyError(WeComError, RetryLaterError):
    """WeCom is still working on it (41063, 41079, 90507): ask again later."""


class NoAnswerError(WeComError, RetryLaterError):
    """A call that may be repeated got no usable answer, several times: repeat it later."""


class UnreachableError(NoAnswerError):
    """No connection to WeCom could be made: nothing was sent, so any call may be repeated."""


class UnknownOutcomeError(WeComError):
    """The call was sent and no usable answer came, so it may or may not have been done.

    Never repeat it blindly: look in WeCom for what it should have made, and repeat only when it is not there.
    """


class CredentialsError(WeComError):
    """WeCom does not accept our corpid, secret or token: an operator has to mend the configuration."""


class NotPermittedError(WeComError):
    """The app may not do this: an operator has to grant something in WeCom's admin console."""


class GoneError(WeComError):
    """The thing the call names does not exist (any more): forget it."""


class NotAFollowerError(GoneError):
    """This staff member does not follow this customer (84061): not added, not yet confirmed, or deleted."""


class InvalidMediaError(WeComError):
    """The media_id has expired or is of the wrong kind (40007, 40145): upload the file again."""


class RefusedFileError(InvalidMediaError):
    """WeCom does not take this file: too large, broken or of another type. Uploading it again gains nothing."""


class QuotaError(WeComError):
    """A quota is full: an operator has to free something or raise the quota."""


class AlreadyDoneError(WeComError):
    """What the call asks for is already so."""


class InvalidRequestError(WeComError):
    """WeCom cannot accept these parameters: the same call will never succeed."""


class WelcomeBusyError(WeComError, RetryLaterError):
    """Another app is sending this welcome right now (41096): try again within the code's 20 seconds."""


class WelcomeDoneError(AlreadyDoneError):
    """The customer already got a welcome or already chats (41051): nothing is left to do."""


class WelcomeLateError(WeComError):
    """The welcome code is unknown or older than 20 seconds (41050): it can never be used again."""


_CLASSES: Final[dict[Kind, type[WeComError]]] = {
    Kind.OTHER: WeComError,
    Kind.RATE_LIMITED: RateLimitedError,
    Kind.BUSY: BusyError,
    Kind.NOT_READY: NotReadyError,
    Kind.CREDENTIALS: CredentialsError,
    Kind.NOT_PERMITTED: NotPermittedError,
    Kind.GONE: GoneError,
    Kind.NOT_A_FOLLOWER: NotAFollowerError,
    Kind.INVALID_MEDIA: InvalidMediaError,
    Kind.REFUSED_FILE: RefusedFileError,
    Kind.QUOTA: QuotaError,
    Kind.ALREADY_DONE: AlreadyDoneError,
    Kind.INVALID_REQUEST: InvalidRequestError,
    Kind.WELCOME_BUSY: WelcomeBusyError,
    Kind.WELCOME_DONE: WelcomeDoneError,
    Kind.WELCOME_LATE: WelcomeLateError,
}

_UNLISTED = Code(
    Kind.OTHER, "WeCom's error {errcode}", "Look the number up at open.work.weixin.qq.com/devtool/query?e={errcode}."
)


def plain_errmsg(errmsg: str) -> str:
    """WeCom's short text: hint, address, link, quoted values and anything secret taken out, at most 200 characters.

    >>> plain_errmsg("not external contact, hint: [1576_28], from ip: 9.3.0.1, more info at https://open.work")
    'not external contact'
    """
    text = _JSON_WARNING.sub("", _TAIL.sub("", errmsg))
    text = _SECRET.sub(r"\1…", text)
    text = _QUOTED.sub(_unquoted, text)
    return _NOT_PLAIN.sub("…", text).strip(" ,.")[:ERRMSG_MAX_CHARS]


def _unquoted(match: re.Match[str]) -> str:
    inside = next(group for group in match.groups() if group is not None)
    return f"`{inside}`" if _FIELD_NAME.fullmatch(inside) else "`…`"


def error_for(path: str, errcode: int, errmsg: str = "", *, after_seconds: float | None = None) -> WeComError:
    """The error for WeCom's answer `errcode` to a call of `path`.

    `after_seconds` overrides the pause of the table (the limiter knows how long a 45009 lasts).
    """
    code = CODES.get(errcode)
    if code is None:
        code = replace(
            _UNLISTED,
            meaning=_UNLISTED.meaning.format(errcode=errcode),
            remedy=_UNLISTED.remedy.format(errcode=errcode),
        )
    short = plain_errmsg(errmsg)
    said = f" ({errcode}: {short})" if short else f" ({errcode})"
    return _CLASSES[code.kind](
        f"WeCom refused {path}: {code.meaning}{said}.",
        code.remedy,
        errcode=errcode,
        errmsg=short,
        path=path,
        retryable=code.retryable,
        after_seconds=code.after_seconds if after_seconds is None else after_seconds,
    )


def rate_limited(path: str, after_seconds: float, why: str) -> RateLimitedError:
    """Our own budget says no before WeCom has to."""
    return RateLimitedError(
        f"The budget of {path} is used up: {why}.",
        f"It can be called again in {max(1, round(after_seconds))} seconds; nothing was sent.",
        path=path,
        retryable=True,
        after_seconds=after_seconds,
    )


def no_answer(path: str, what: str, *, sent: bool, repeatable: bool, errcode: int | None = None) -> WeComError:
    """The error for a call that came to nothing: `what` happened, and whether the request may have reached WeCom."""
    if not sent:
        return UnreachableError(
            f"WeCom could not be reached for {path}: {what}.",
            "Check the network, the name resolution and the setting wecom.api_base_url; nothing was sent.",
            path=path,
            retryable=True,
        )
    if repeatable:
        return NoAnswerError(
            f"WeCom gave no usable answer to {path}: {what}.",
            "It is tried again later; if this lasts, check the network and WeCom's own status.",
            errcode=errcode,
            path=path,
            retryable=True,
        )
    return UnknownOutcomeError(
        f"It is unknown whether {path} was done: {what} after the request was sent.",
        "It is not repeated by itself: look in WeCom whether it happened.",
        errcode=errcode,
        path=path,
    )


def http_refused(path: str, status: int) -> WeComError:
    """The error for an HTTP status that WeCom itself never uses for a refusal (it answers 200 with an errcode)."""
    if status == 429:
        return RateLimitedError(
            f"Something between us and WeCom refused {path} with HTTP 429.",
            "Ask who runs the proxy for its limit.",
            path=path,
            retryable=True,
            after_seconds=60,
        )
    if status == 404:
        return InvalidRequestError(
            f"There is no API {path} (HTTP 404).",
            "Check the setting wecom.api_base_url: it ends with /cgi-bin/.",
            path=path,
        )
    return WeComError(
        f"Something between us and WeCom refused {path} with HTTP {status}.",
        "Check the proxy or firewall on the way to WeCom.",
        path=path,
    )


BadCallbackReason = Literal[
    "base64",
    "duplicate",
    "encoding",
    "entities",
    "length",
    "missing",
    "padding",
    "receiver",
    "signature",
    "size",
    "xml",
]


class BadCallbackError(SiyuError):
    """A callback that is not from WeCom or not for us; `reason` is one word for logs and metrics."""

    def __init__(self, reason: BadCallbackReason = "xml", message: str = "") -> None:
        super().__init__(message or f"The callback was refused: {reason}.")
        self.args = (reason, self.message)
        self.reason: BadCallbackReason = reason
