"""Which calls may be made twice, held against every call that wechatpy and our families can make."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
import wechatpy.work.client.api

import bot.wecom
from bot.wecom.codes import CODES
from bot.wecom.errors import error_for, no_answer, rate_limited
from bot.wecom.repeat import READS, WRITES, may_repeat, pause_before_repeat

#: Calls that make something: none of them may ever be repeated when its outcome is unknown.
CREATIONS = [
    "agent/create", "appchat/create", "appchat/send", "batch/invite", "batch/replaceuser", "department/create",
    "externalcontact/add_contact_way", "externalcontact/add_corp_tag", "externalcontact/add_moment_task",
    "externalcontact/add_msg_template", "externalcontact/customer_acquisition/create_link",
    "externalcontact/group_welcome_template/add", "externalcontact/groupchat/add_join_way",
    "externalcontact/groupchat/onjob_transfer", "externalcontact/groupchat/transfer",
    "externalcontact/remind_groupmsg_send", "externalcontact/resigned/transfer_customer", "externalcontact/transfer",
    "externalcontact/transfer_customer", "kf/account/add", "kf/add_contact_way", "kf/service_state/trans",
    "kf/servicer/add", "living/create", "media/uploadimg", "media/upload_by_url", "message/update_template_card",
    "oa/applyevent", "oa/meetingroom/book", "oa/schedule/add", "tag/create", "user/create",
]  # fmt: skip


@pytest.mark.parametrize("path", CREATIONS)
def test_creation_is_never_repeated(path: str) -> None:
    assert not may_repeat("POST", path, {"anything": 1})


def known_calls() -> Iterator[tuple[str, str]]:
    """Method and path of every call in the source of wechatpy's families and ours."""
    folders = [Path(inspect.getfile(wechatpy.work.client.api)).parent, Path(bot.wecom.__path__[0])]
    for file in (file for folder in folders for file in folder.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            path = node.args[0]
            if node.func.attr in {"_get", "_post"} and isinstance(path, ast.Constant) and isinstance(path.value, str):
                yield node.func.attr.removeprefix("_").upper(), path.value


def test_every_listed_path_is_one_that_is_called_or_will_be() -> None:
    called = {path for _, path in known_calls()}
    later = {"idconvert/convert_tmp_external_userid"}
    assert {*READS, *WRITES} - later <= called
    assert called & later == set(), "take them off the list above"


def test_what_names_like_a_read_is_one() -> None:
    """A POST that may be repeated by its name alone: look at each new one."""
    by_name = {
        path
        for method, path in known_calls()
        if method == "POST" and path not in READS and path not in WRITES and may_repeat("POST", path, {})
    }

    assert all(path.rsplit("/", 1)[-1].startswith(("get", "list", "search", "simplelist")) for path in by_name)
    assert not by_name & set(CREATIONS)


def test_reads_may_be_repeated() -> None:
    for path in ("externalcontact/get", "user/list", "department/simplelist", "media/get"):
        assert may_repeat("GET", path)
    for path in ("externalcontact/groupchat/list", "externalcontact/groupchat/get", "kf/sync_msg", "user/list_id"):
        assert may_repeat("POST", path, {})


def test_login_code_is_used_up_by_a_get() -> None:
    assert not may_repeat("GET", "auth/getuserinfo")


def test_switches_in_the_body_decide() -> None:
    assert may_repeat("POST", "message/send", {"enable_duplicate_check": 1})
    assert not may_repeat("POST", "message/send", {"enable_duplicate_check": 0})
    assert not may_repeat("POST", "message/send", {})
    assert may_repeat("POST", "kf/send_msg", {"msgid": "m1"})
    assert not may_repeat("POST", "kf/send_msg", {"msgid": ""})


def test_every_write_has_its_reason() -> None:
    assert all(len(reason) > 20 for reason in WRITES.values())
    assert not READS & WRITES.keys()


# When.


@pytest.mark.parametrize("errcode", sorted(CODES))
def test_only_refusals_that_pass_are_repeated(errcode: int) -> None:
    pause = pause_before_repeat(error_for("externalcontact/get", errcode, after_seconds=60.0), 1, renewed=False)

    expected = {-1, 6000, 40001, 40014, 42001, 45009, 45033, 45035}
    assert (pause is not None) == (errcode in expected)


def test_unknown_outcome_is_never_repeated() -> None:
    assert pause_before_repeat(no_answer("x", "cut", sent=True, repeatable=False), 1, renewed=False) is None
    assert (
        pause_before_repeat(no_answer("x", "busy", sent=True, repeatable=False, errcode=-1), 1, renewed=False) is None
    )


def test_own_budget_is_not_asked_again() -> None:
    assert pause_before_repeat(rate_limited("x", 60, "full"), 1, renewed=False) is None


def test_token_is_renewed_once() -> None:
    error = error_for("externalcontact/get", 42001)

    assert pause_before_repeat(error, 1, renewed=False) == 0
    assert pause_before_repeat(error, 1, renewed=True) is None


def test_wrong_secret_is_not_asked_about_again() -> None:
    assert pause_before_repeat(error_for("gettoken", 40001), 1, renewed=False) is None


def test_pauses_grow_and_end() -> None:
    for error in (
        error_for("x", -1),
        error_for("x", 45033),
        no_answer("x", "refused", sent=False, repeatable=False),
        no_answer("gettoken", "refused", sent=False, repeatable=True),
    ):
        pauses: list[float] = []
        while (pause := pause_before_repeat(error, len(pauses) + 1, renewed=False)) is not None:
            pauses.append(pause)
        assert 2 <= len(pauses) <= 5
        assert pauses == sorted(pauses)
        assert sum(pauses) < 5
