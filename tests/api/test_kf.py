"""`/kf` over HTTP, and the same by `siyu kf`."""

from __future__ import annotations

from typing import Any

import pytest

from bot.media_files import add_media
from bot.sandbox.kf import OWN
from data.queries import kf_sessions as session_rows
from data.queries import knowledge as pair_rows
from data.rules.kf_answers import KfImage
from data.rules.knowledge import KnowledgePair
from tests.api.conftest import Caller
from tests.sandbox.test_media import PNG

RULE: dict[str, Any] = {
    "name": "问价", "conditions": {"words": ["多少钱"]}, "answers": [{"msgtype": "text", "text": "199 元起"}],
}  # fmt: skip


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_accounts_rules_and_conversations(caller: Caller) -> None:
    assert (await caller.call("POST", "/kf/accounts/read"))[1]["accounts"] >= 1
    status, told = await caller.call("GET", "/kf/accounts")
    account = told["items"][0]
    open_kfid, servicer = account["open_kfid"], account["servicers"][0]["userid"]
    assert (status, account["choices"]["answers"]) == (200, True)
    status, told = await caller.call("POST", "/kf/rules", {**RULE, "answers": [{"msgtype": "text", "text": ""}]})
    assert (status, told["error"]["problems"][0]["path"]) == (422, "answers[0].text")
    status, made = await caller.call("POST", "/kf/rules", RULE)
    assert status == 201
    one = f"/kf/rules/{made['id']}"
    assert (await caller.call("POST", "/kf/rules", RULE))[0] == 409, "its name is taken"
    assert (await caller.call("PATCH", one, {"priority": 3}))[1]["priority"] == 3
    assert (await caller.call("PUT", one, {**RULE, "open_kfid": "wkNone"}))[0] == 422
    assert (await caller.call("PUT", one, {**RULE, "open_kfid": open_kfid}))[0] == 200
    status, told = await caller.call("POST", "/kf/rules/try", {"open_kfid": open_kfid, "text": "多少钱"})
    assert (status, told["rule_id"], told["answers"][0]["said"]) == (200, made["id"], "199 元起")
    assert (await caller.call("POST", "/kf/rules/try", {"open_kfid": "wkNone"}))[0] == 404

    world, acts = caller.sandbox.world, caller.sandbox.machine.kf_acts
    whom = world.customers.create("小鱼").external_userid
    acts.write(open_kfid, whom, "text", {"content": "多少钱"}, tell=False)
    status, told = await caller.call("POST", f"/kf/accounts/{open_kfid}/pull")
    assert (status, told) == (200, {"messages": 1, "unreadable": 0, "sessions": 1})
    (session,) = (await caller.call("GET", "/kf/sessions?state=new"))[1]["items"]
    assert (session["external_userid"], session["may_send"], session["why_not"]) == (whom, 4, "")
    path = f"/kf/sessions/{session['id']}"
    status, told = await caller.call("GET", f"{path}/messages?limit=1")
    assert (told["items"][0]["author"], told["items"][0]["status"]) == ("us", "sent")
    assert (await caller.call("GET", f"{path}/messages?before_id={told['next_before_id']}"))[1]["items"][0]["rule_id"]
    reader = await caller.make_token("kf:read", "kf:write")
    said = {"answer": {"msgtype": "text", "text": "还需要什么？"}}
    assert (await caller.call("POST", f"{path}/messages", said, token=reader))[0] == 403
    assert (await caller.call("POST", f"{path}/messages", said))[1]["status"] == "sent"
    assert [line.content["content"] for line in world.kf.chat(open_kfid, whom) if line.origin == OWN][
        -1
    ] == "还需要什么？"
    # an answer of the knowledge that waits for a person goes out with its card, once
    listed = (await caller.call("GET", f"{path}/messages"))[1]["items"]
    asked = next(each["id"] for each in listed if each["author"] == "customer")
    status, told = await caller.call("POST", f"{path}/messages/{asked}/draft", {})
    assert (status, "没有等待发送的答案" in told["error"]["message"]) == (409, True)
    db, now = caller.bot.db, caller.bot.clock.now()
    picture = (await db.write(add_media, "a.png", PNG, None, now))["media"]
    pair = KnowledgePair(phrasings=("多少钱",), text="199", attachment=KfImage(media=picture))
    held = {"held": await db.write(pair_rows.add_pair, pair, "ann", now), "draft_text": "199 元起", "draft": 7}
    await db.write(session_rows.note_knowledge, asked, held)
    assert (await caller.call("POST", f"{path}/messages/{asked}/draft", {}, token=reader))[0] == 403
    assert (await caller.call("POST", f"/kf/sessions/99/messages/{asked}/draft", {}))[0] == 409
    status, told = await caller.call("POST", f"{path}/messages/{asked}/draft", {"text": "199 元起，包邮"})
    assert (status, told["msgtype"], told["status"]) == (201, "image", "sent")
    chat = [line.content.get("content") for line in world.kf.chat(open_kfid, whom) if line.origin == OWN]
    assert chat[-2:] == ["199 元起，包邮", None]
    assert (await caller.call("POST", f"{path}/messages/{asked}/draft", {}))[0] == 409
    assert (await caller.call("POST", f"{path}/state", {"to": "person", "userid": "nobody"}))[0] in (403, 502)
    status, told = await caller.call("POST", f"{path}/state", {"to": "person", "userid": servicer})
    assert (status, told["state"], told["servicer_userid"], told["may_send"]) == (200, "person", servicer, 0)
    assert (await caller.call("POST", f"{path}/messages", said))[0] == 409
    caller.sandbox.machine.settings.kf_unconfirmed_transitions = False
    status, told = await caller.call("POST", f"{path}/state", {"to": "bot"})
    assert (status, "95016" in told["error"]["message"]) == (409, True)
    assert (await caller.call("POST", f"{path}/state", {"to": "end"}))[1]["state"] == "ended"
    choices = {"answers": False, "hours": [{"weekdays": [], "start": "09:00", "end": "18:00"}]}
    assert (await caller.call("PUT", f"/kf/accounts/{open_kfid}/choices", choices))[0] == 422
    status, told = await caller.call("PUT", f"/kf/accounts/{open_kfid}/choices", {"answers": False})
    assert (status, told["choices"]["answers"]) == (200, False)
    assert (await caller.call("GET", "/kf/sessions/99"))[0] == 404
    assert (await caller.call("DELETE", one))[0] == 200
    assert (await caller.call("GET", "/kf/rules"))[1]["items"] == []
