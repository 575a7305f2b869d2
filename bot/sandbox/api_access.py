"""gettoken and the addresses of WeCom (WeCom doc 91039)."""

from __future__ import annotations

from bot.sandbox.calls import Answer, Call, Endpoint
from bot.sandbox.errors import ApiError


async def gettoken(call: Call) -> Answer:
    corpid, secret = call.params.text("corpid"), call.params.text("corpsecret")
    if not corpid:
        raise ApiError(41002)
    if not secret:
        raise ApiError(41004)
    address = call.request.remote or ""
    tokens = call.machine.tokens
    if tokens.banned(address, call.now):
        raise ApiError(45009)
    if corpid != call.world.company.corpid:
        raise ApiError(40013)
    app = next((app for app in call.world.apps.values() if app.secret == secret and app.enabled), None)
    if app is None:
        tokens.wrong_secret(address, call.now)
        raise ApiError(40001)
    value, expires_in = tokens.issue(app, call.now)
    return {"access_token": value, "expires_in": expires_in}


async def list_addresses(call: Call) -> Answer:
    return {"ip_list": ["127.0.0.1"]}


ENDPOINTS = (
    Endpoint("gettoken", "GET", gettoken, needs_token=False),
    Endpoint("getcallbackip", "GET", list_addresses, {"ip_list": []}),
    Endpoint("get_api_domain_ip", "GET", list_addresses, {"ip_list": []}),
)
