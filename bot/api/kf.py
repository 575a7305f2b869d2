"""`/kf`: WeChat customer service: accounts, rules, conversations and what was said in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from aiohttp import web
from pydantic import Field

from bot import kf
from bot import kf_acts as acts
from bot import kf_edits as edits
from bot.api.answers import answer, page, path_id, read_object, read_query
from bot.api.described import described
from bot.api.service import CALLER, Api
from bot.api.shapes import Items, MergePatch, Nothing, Page
from bot.kf_work import work_on_due
from data.models.kf import KfState
from data.queries import kf_accounts as account_rows
from data.queries import kf_rules as rule_rows
from data.queries import kf_sessions as rows
from data.rules.kf import KfChoices, KfRule
from data.rules.kf_answers import KfAnswer
from data.rules.problems import RuleModel, parse

StateName = Literal["new", "bot", "queued", "person", "ended"]
STATES: dict[str, KfState] = {name: state for state, name in acts.NAMES.items()}


class Servicer(RuleModel):
    """Who answers there, and whether they take conversations now."""

    userid: str
    receives: bool


class KfAccountTold(RuleModel):
    """An account. `read_at`: up to when its messages are stored; `error`: why it could not be read since."""

    open_kfid: str
    name: str
    granted: bool
    read_at: datetime | None
    error: str
    servicers: list[Servicer]
    choices: KfChoices


class PulledTold(RuleModel):
    """How much was read, and in how many conversations something was done."""

    messages: int
    unreadable: int
    sessions: int


class ReadTold(RuleModel):
    """How many accounts there are."""

    accounts: int


class SessionsQuery(RuleModel):
    """Filters; all that are given must hold."""

    open_kfid: str = ""
    state: StateName | None = None
    external_userid: str = ""
    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class MessagesQuery(RuleModel):
    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class KfSessionTold(RuleModel):
    """A conversation. `may_send`: how many messages may still be sent, until `may_send_until`; without any, why."""

    id: int
    open_kfid: str
    external_userid: str
    contact_id: str
    nickname: str
    state: StateName
    servicer_userid: str
    scene: str
    blocked: bool
    began_at: datetime
    written_at: datetime | None
    changed_at: datetime
    may_send: int
    may_send_until: datetime | None
    why_not: str
    bot_answers: bool


class KfMessageTold(RuleModel):
    """A message, an event or a change of who has the conversation. `explanation`: which rule answered it, and why."""

    id: int
    msgid: str
    author: Literal["us", "customer", "event", "servicer"]
    msgtype: str
    words: str
    content: dict[str, Any]
    servicer_userid: str
    made_by: str
    sent_at: datetime
    status: str
    reason: str
    rule_id: int | None
    explanation: dict[str, Any]
    answers_id: int | None
    recalled_at: datetime | None


class Said(RuleModel):
    """What is to be sent to the customer."""

    answer: KfAnswer


class DraftSaid(RuleModel):
    """`text`: other words than those of the draft; its card goes out with them all the same."""

    text: str | None = Field(default=None, max_length=3000)


class KfTrialTold(RuleModel):
    """What would be answered. `rules`: what became of every rule, the one that matched first; `unsent`: how many of
    the rule's last messages go beyond the five that WeCom takes."""

    rule_id: int | None
    rule_name: str
    rules: list[dict[str, Any]]
    left_out: int
    answers_at_all: bool
    open: bool
    answers: list[dict[str, Any]]
    hand_over: dict[str, Any] | None
    put_on: list[str]
    unsent: int
    knowledge: dict[str, Any] | None = None


@described(Items[KfAccountTold])
async def list_accounts(api: Api, _request: web.Request) -> web.Response:
    found = await api.db.read(account_rows.list_accounts)
    return answer({"items": [acts.account_json(each) for each in found]})


@described(ReadTold)
async def read_accounts(api: Api, _request: web.Request) -> web.Response:
    return answer({"accounts": await kf.read_accounts(api.context)})


@described(KfAccountTold, body=KfChoices)
async def choose(api: Api, request: web.Request) -> web.Response:
    choices = parse(KfChoices, await read_object(request))
    saved = await api.db.write(edits.save_choices, request.match_info["open_kfid"], choices)
    return answer(acts.account_json(saved))


@described(PulledTold)
async def pull(api: Api, request: web.Request) -> web.Response:
    open_kfid = request.match_info["open_kfid"]
    await api.db.read(account_rows.get_account, open_kfid)
    pulled = await kf.pull(api.context, open_kfid)
    worked = await work_on_due(api.context)
    return answer({"messages": pulled.messages, "unreadable": pulled.unreadable, "sessions": worked})


@described(Items[KfRule])
async def list_rules(api: Api, _request: web.Request) -> web.Response:
    rules = await api.db.read(rule_rows.list_rules)
    return answer({"items": [rule.model_dump(mode="json") for rule in rules]})


@described(KfRule)
async def get_rule(api: Api, request: web.Request) -> web.Response:
    rule = await api.db.read(rule_rows.get_rule, path_id(request))
    return answer(rule.model_dump(mode="json"))


@described(KfRule, status=201, body=KfRule)
async def create_rule(api: Api, request: web.Request) -> web.Response:
    rule = parse(KfRule, {**await read_object(request), "id": 0})
    saved = await api.db.write(edits.save_rule, rule, api.clock.now())
    return answer(saved.model_dump(mode="json"), 201, Location=f"/api/v1/kf/rules/{saved.id}")


@described(KfRule, body=KfRule)
async def replace_rule(api: Api, request: web.Request) -> web.Response:
    rule = parse(KfRule, {**await read_object(request), "id": path_id(request)})
    saved = await api.db.write(edits.save_rule, rule, api.clock.now())
    return answer(saved.model_dump(mode="json"))


@described(KfRule, body=MergePatch)
async def change_rule(api: Api, request: web.Request) -> web.Response:
    changes = await read_object(request)
    saved = await api.db.write(edits.change_rule, path_id(request), changes, api.clock.now())
    return answer(saved.model_dump(mode="json"))


@described(Nothing)
async def delete_rule(api: Api, request: web.Request) -> web.Response:
    await api.db.write(rule_rows.delete_rule, path_id(request))
    return answer({})


@described(KfTrialTold, body=edits.KfTry)
async def try_rules(api: Api, request: web.Request) -> web.Response:
    asked = parse(edits.KfTry, await read_object(request))
    return answer(await edits.try_rules(api.context, asked))


@described(Page[KfSessionTold], query=SessionsQuery)
async def list_sessions(api: Api, request: web.Request) -> web.Response:
    query, now = read_query(SessionsQuery, request), api.clock.now()
    found = await api.db.read(
        rows.list_sessions, open_kfid=query.open_kfid, contact_id=query.external_userid, now=now, limit=query.limit,
        state=STATES[query.state] if query.state is not None else None, before_id=query.before_id,
    )  # fmt: skip
    return answer(page([acts.session_json(each, now) for each in found], query.limit))


@described(KfSessionTold)
async def get_session(api: Api, request: web.Request) -> web.Response:
    found = await api.db.read(rows.get_session, path_id(request))
    return answer(acts.session_json(found, api.clock.now()))


@described(Page[KfMessageTold], query=MessagesQuery)
async def list_messages(api: Api, request: web.Request) -> web.Response:
    query = read_query(MessagesQuery, request)
    await api.db.read(rows.get_session, path_id(request))
    found = await api.db.read(rows.list_messages, path_id(request), before_id=query.before_id, limit=query.limit)
    return answer(page([acts.message_json(each) for each in found], query.limit))


@described(KfMessageTold, status=201, body=Said)
async def say(api: Api, request: web.Request) -> web.Response:
    said = parse(Said, await read_object(request))
    sent = await acts.say(api.context, path_id(request), said.answer, request[CALLER])
    return answer(acts.message_json(sent), 201)


@described(KfMessageTold, status=201, body=DraftSaid)
async def send_draft(api: Api, request: web.Request) -> web.Response:
    said = parse(DraftSaid, await read_object(request))
    asked = int(request.match_info["message_id"])
    sent = await acts.send_draft(api.context, path_id(request), asked, said.text, request[CALLER])
    return answer(acts.message_json(sent), 201)


@described(KfSessionTold, body=acts.Change)
async def change_state(api: Api, request: web.Request) -> web.Response:
    change = parse(acts.Change, await read_object(request))
    after = await acts.change_state(api.context, path_id(request), change, request[CALLER])
    return answer(acts.session_json(after, api.clock.now()))
