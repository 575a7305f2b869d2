"""`/welcome-rules`: the rules of the first message to a new customer."""

from __future__ import annotations

from aiohttp import web

from bot.api.answers import answer, path_id, read_object
from bot.api.described import described
from bot.api.service import Api
from bot.api.shapes import Items, MergePatch, Nothing, WelcomeTrialTold
from bot.rule_edits import change_welcome_rule, save_welcome_rule
from bot.rule_trials import WelcomeTry, try_welcome
from data.queries import rules as rows
from data.rules.problems import parse
from data.rules.welcome import WelcomeRule


@described(Items[WelcomeRule])
async def list_rules(api: Api, _request: web.Request) -> web.Response:
    rules = await api.db.read(rows.list_welcome_rules)
    return answer({"items": [rule.model_dump(mode="json") for rule in rules]})


@described(WelcomeRule)
async def get_rule(api: Api, request: web.Request) -> web.Response:
    rule = await api.db.read(rows.get_welcome_rule, path_id(request))
    return answer(rule.model_dump(mode="json"))


@described(WelcomeRule, status=201, body=WelcomeRule)
async def create_rule(api: Api, request: web.Request) -> web.Response:
    rule = parse(WelcomeRule, {**await read_object(request), "id": 0})
    saved = await api.db.write(save_welcome_rule, rule, api.renderer, _public_url(api), api.clock.now())
    return answer(saved.model_dump(mode="json"), 201, Location=f"/api/v1/welcome-rules/{saved.id}")


@described(WelcomeRule, body=WelcomeRule)
async def replace_rule(api: Api, request: web.Request) -> web.Response:
    rule = parse(WelcomeRule, {**await read_object(request), "id": path_id(request)})
    saved = await api.db.write(save_welcome_rule, rule, api.renderer, _public_url(api), api.clock.now())
    return answer(saved.model_dump(mode="json"))


@described(WelcomeRule, body=MergePatch)
async def change_rule(api: Api, request: web.Request) -> web.Response:
    changes = await read_object(request)
    saved = await api.db.write(
        change_welcome_rule, path_id(request), changes, api.renderer, _public_url(api), api.clock.now()
    )
    return answer(saved.model_dump(mode="json"))


@described(Nothing)
async def delete_rule(api: Api, request: web.Request) -> web.Response:
    await api.db.write(rows.delete_welcome_rule, path_id(request))
    return answer({})


@described(WelcomeTrialTold, body=WelcomeTry)
async def try_rules(api: Api, request: web.Request) -> web.Response:
    asked = parse(WelcomeTry, await read_object(request))
    trial = await api.db.read(try_welcome, asked, api.renderer, api.settings, api.clock.now())
    return answer(trial.to_json())


def _public_url(api: Api) -> str:
    return api.settings.server.public_url
