"""WeCom's codes as errors: what the caller does next, what the operator does, and nothing that must not be told."""

from __future__ import annotations

import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import RetryLaterError, SiyuError
from bot.wecom import errors
from bot.wecom.codes import CODES, CONFLICT, TOKEN_REFUSED, Kind
from bot.wecom.errors import (
    AlreadyDoneError,
    BusyError,
    CredentialsError,
    GoneError,
    InvalidMediaError,
    InvalidRequestError,
    NoAnswerError,
    NotAFollowerError,
    NotPermittedError,
    NotReadyError,
    QuotaError,
    RateLimitedError,
    RefusedFileError,
    UnknownOutcomeError,
    UnreachableError,
    WeComError,
    WelcomeBusyError,
    WelcomeDoneError,
    WelcomeLateError,
    error_for,
    http_refused,
    no_answer,
    plain_errmsg,
    rate_limited,
)

PATH = "externalcontact/send_welcome_msg"

EVERY_ERROR: list[WeComError] = [
    *(error_for(PATH, errcode, "short text", after_seconds=7.0) for errcode in CODES),
    error_for(PATH, 999_999, "new"),
    rate_limited(PATH, 60, "our own limit is reached"),
    no_answer(PATH, "a timeout", sent=False, repeatable=False),
    no_answer(PATH, "a timeout", sent=True, repeatable=True),
    no_answer(PATH, "a timeout", sent=True, repeatable=False),
    *(http_refused(PATH, status) for status in (302, 403, 404, 429)),
]


@pytest.mark.parametrize(
    ("errcode", "expected"),
    [
        (-1, BusyError),
        (40001, CredentialsError),
        (40007, InvalidMediaError),
        (40058, InvalidRequestError),
        (40068, GoneError),
        (40071, AlreadyDoneError),
        (40096, GoneError),
        (40126, QuotaError),
        (40145, InvalidMediaError),
        (41050, WelcomeLateError),
        (41051, WelcomeDoneError),
        (41063, NotReadyError),
        (41096, WelcomeBusyError),
        (45009, RateLimitedError),
        (45033, BusyError),
        (48002, NotPermittedError),
        (60011, NotPermittedError),
        (60020, NotPermittedError),
        (84061, NotAFollowerError),
        (95033, AlreadyDoneError),
        (40009, RefusedFileError),
        (12345, WeComError),
    ],
)
def test_code_becomes_the_class_for_what_to_do_next(errcode: int, expected: type[WeComError]) -> None:
    error = error_for(PATH, errcode, "text")

    assert type(error) is expected
    assert (error.errcode, error.path) == (errcode, PATH)


def test_not_a_follower_is_gone_and_welcome_done_is_done() -> None:
    assert isinstance(error_for(PATH, 84061), GoneError)
    assert isinstance(error_for(PATH, 41051), AlreadyDoneError)


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: str(error.errcode))
def test_retryable_means_that_the_inbox_tries_again(error: WeComError) -> None:
    assert error.retryable == isinstance(error, RetryLaterError)


def test_unknown_outcome_is_not_retried_by_anybody() -> None:
    unknown = no_answer(PATH, "a timeout", sent=True, repeatable=False)

    assert isinstance(unknown, UnknownOutcomeError)
    assert not isinstance(unknown, (RetryLaterError, NoAnswerError))
    assert isinstance(no_answer(PATH, "refused", sent=False, repeatable=False), UnreachableError)


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: str(error.errcode))
def test_error_speaks_in_sentences(error: WeComError) -> None:
    assert isinstance(error, SiyuError)
    assert re.fullmatch(r"[A-Z].*\.", error.message), error.message
    assert re.fullmatch(r"[A-Z].*[.?]", error.remedy), error.remedy
    assert error.path in error.message
    assert error.errcode is None or str(error.errcode) in error.message
    assert "{" not in str(error)


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: str(error.errcode))
def test_error_survives_pickling(error: WeComError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)


def test_table_covers_what_matters() -> None:
    assert len(CODES) >= 60
    assert {*TOKEN_REFUSED, *CONFLICT, 45009, -1} <= CODES.keys()
    assert {code.kind for code in CODES.values()} | {Kind.OTHER} == set(Kind)


@pytest.mark.parametrize(
    ("errmsg", "plain"),
    [
        ("ok", "ok"),
        (
            "access_token expired, hint: [1576065934_28_e0fae], from ip: 9.30.0.138, more info at https://open.work",
            "access_token expired",
        ),
        ("Warning: wrong json format. invalid party list, hint: [1]", "invalid party list"),
        ("not external contact, from ip: 1.2.3.4", "not external contact"),
        ("text.content exceed max length 4000", "text.content exceed max length 4000"),
        ("syncMsg: field `open_kfid` unexpected empty string", "syncMsg: field `open_kfid` unexpected empty string"),
        ("invalid string value `王小明 13800000000`. userid not found", "invalid string value `…`. userid not found"),
        ('name "John Smith" exists', "name `…` exists"),
        ("名称 too long", "… too long"),
        ("bad access_token=abcDEF123 given", "bad access_token=… given"),
        ("", ""),
    ],
)  # fmt: skip
def test_errmsg_is_cleaned(errmsg: str, plain: str) -> None:
    assert plain_errmsg(errmsg) == plain


@given(errmsg=st.text(), errcode=st.integers())
def test_any_answer_makes_an_error(errmsg: str, errcode: int) -> None:
    error = error_for(PATH, errcode, errmsg)

    assert len(error.errmsg) <= errors.ERRMSG_MAX_CHARS
    assert error.errmsg.replace("…", "").isascii()
    assert "\n" not in str(error)


@given(errmsg=st.text(alphabet=st.sampled_from("ab`'\"[]:, hint"), max_size=5000))
def test_cleaning_is_quick_whatever_the_text(errmsg: str) -> None:
    plain_errmsg(errmsg * 20)
