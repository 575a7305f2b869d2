"""`/tag-rules`: the rules that put tags on customers and take them off."""

from __future__ import annotations

from aiohttp import web

from bot.api.answers import answer, path_id, read_object
from bot.api.described import described
from bot.api.service import Api
from bot.api.shapes import Items, MergePatch, Nothing, TagTrialTold
from bot.rule_edits import change_tag_rule, save_tag_rule
from bot.rule_trials import TagTry, try_tags
from data.queries import rules as rows
from data.rules.problems import parse
from data.rules.tagging import TagRule


@described(Items[TagRule])
async def list_rules(api: Api, _request: web.Request) -> web.Response:
    rules = await api.db.read(rows.list_tag_rules)
    return answer({"items": [rule.model_dump(mode="json") for rule in rules]})


@described(TagRule)
async def get_rule(api: Api, request: web.Request) -> web.Response:
    rule = await api.db.read(rows.get_tag_rule, path_id(request))
    return answer(rule.model_dump(mode="json"))


@described(TagRule, status=201, body=TagRule)
async def create_rule(api: Api, request: web.Request) -> web.Response:
    rule = parse(TagRule, {**await read_object(request), "id": 0})
    saved = await api.db.write(save_tag_rule, rule, api.clock.now())
    return answer(saved.model_dump(mode="json"), 201, Location=f"/api/v1/tag-rules/{saved.id}")


@described(TagRule, body=TagRule)
async def replace_rule(api: Api, request: web.Request) -> web.Response:
    rule = parse(TagRule, {**await read_object(request), "id": path_id(request)})
    saved = await api.db.write(save_tag_rule, rule, api.clock.now())
    return answer(saved.model_dump(mode="json"))


@described(TagRule, body=MergePatch)
async def change_rule(api: Api, request: web.Request) -> web.Response:
    changes = await read_object(request)
    saved = await api.db.write(change_tag_rule, path_id(request), changes, api.clock.now())
    return answer(saved.model_dump(mode="json"))


@described(Nothing)
async def delete_rule(api: Api, request: web.Request) -> web.Response:
    await api.db.write(rows.delete_tag_rule, path_id(request))
    return answer({})


@described(TagTrialTold, body=TagTry)
async def try_rules(api: Api, request: web.Request) -> web.Response:
    asked = parse(TagTry, await read_object(request))
    trial = await api.db.read(try_tags, asked, api.settings.zone, api.clock.now())
    return answer(trial.to_json())
