"""WeCom's API: wechatpy's client with every call awaitable, and the APIs that wechatpy lacks.

async with WeComClient(corpid, secret) as wecom:
    answer = await wecom.external_contact.get(external_userid)
    await wecom.within(8.0, urgent=True).external_contact.send_welcome_msg({...})
"""

from __future__ import annotations

import asyncio
import inspect
import json
import mimetypes
import random
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import PurePath
from typing import Any, Final, Self, TypeVar

import aiohttp
from wechatpy.client.api.base import BaseWeChatAPI
from wechatpy.session.memorystorage import MemoryStorage
from wechatpy.work.client import WeChatClient
from yarl import URL

from bot.clock import Clock
from bot.errors import ConfigurationError
from bot.wecom.apps import Agents, AppChats, Emails, Menus, Misc
from bot.wecom.directory import Departments, StaffTags, Users
from bot.wecom.errors import no_answer
from bot.wecom.external_contacts import ExternalContacts
from bot.wecom.externalpay import ExternalPay
from bot.wecom.group_chats import GroupChats
from bot.wecom.jsapi import JsApi
from bot.wecom.kf import CustomerService, CustomerServiceMessages
from bot.wecom.limits import Limits
from bot.wecom.login import Login
from bot.wecom.media import Media
from bot.wecom.messages import Messages
from bot.wecom.repeat import may_repeat
from bot.wecom.token import MemoryTokenStore, TokenStore
from bot.wecom.transport import Call, CallOptions, OnCall, Sleep, Transport, Upload

PICTURE_MAX_BYTES: Final = 1024 * 1024
WECOM_BASE_URL: Final = "https://qyapi.weixin.qq.com/cgi-bin/"

Client = TypeVar("Client", bound=WeChatClient)


class WeComClient(WeChatClient):
    """One app's access to WeCom.

    Enter it (`async with`) before the first call. `session` is an HTTP session of yours, which stays open; without it
    the client opens one and closes it. `timeout_seconds` bounds one request (files get more),
    `connect_timeout_seconds` waiting for and making a connection, `deadline_seconds` a whole call with its waits and
    repeats. `token_store` shares the token with other processes. `on_call` is told of every attempt: path, errcode (or
    a word where WeCom gave none), seconds. `sleep` keeps the pauses between repeats.
    """

    agent = Agents()
    appchat = AppChats()
    department = Departments()
    email = Emails()
    external_contact = ExternalContacts()
    external_contact_group_chat = GroupChats()
    externalpay = ExternalPay()
    jsapi = JsApi()
    kf = CustomerService()
    kf_message = CustomerServiceMessages()
    media = Media()
    menu = Menus()
    message = Messages()
    misc = Misc()
    oauth = Login()
    tag = StaffTags()
    user = Users()

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        # wechatpy finds its APIs by inspecting each instance, which is slow and reads every property.
        return _bound(object.__new__(cls))

    def __init__(
        self,
        corp_id: str,
        secret: str,
        *,
        base_url: str = WECOM_BASE_URL,
        session: aiohttp.ClientSession | None = None,
        clock: Clock | None = None,
        token_store: TokenStore | None = None,
        limits: Limits | None = None,
        timeout_seconds: float = 8.0,
        connect_timeout_seconds: float = 3.0,
        deadline_seconds: float = 30.0,
        max_connections: int = 64,
        on_call: OnCall | None = None,
        chance: random.Random | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        if not corp_id or not secret:
            raise ConfigurationError(
                "The corpid or the app's secret is missing.",
                "Copy corpid from 我的企业 and the Secret from the app's page of WeCom's admin console.",
            )
        self.corp_id = self.appid = corp_id
        self.secret = secret
        self.base_url = base_url if base_url.endswith("/") else f"{base_url}/"
        self.API_BASE_URL = self.base_url
        self.session = MemoryStorage()  # wechatpy's name for what it keeps: here, tickets of pages
        self.clock = clock or Clock()
        self.limits = limits or Limits(self.clock, max_concurrent=max_connections)
        self.options = CallOptions(deadline_seconds=deadline_seconds)
        self._transport = Transport(
            corp_id,
            secret,
            base_url=self.base_url,
            session=session,
            clock=self.clock,
            store=token_store or MemoryTokenStore(),
            limits=self.limits,
            timeout_seconds=timeout_seconds,
            connect_timeout_seconds=connect_timeout_seconds,
            max_connections=max_connections,
            on_call=on_call,
            chance=chance or random.Random(),
            sleep=sleep,
        )

    async def __aenter__(self) -> Self:
        self._transport.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close what the client opened itself. Calls that are under way fail."""
        await self._transport.close()

    def within(self, deadline_seconds: float | None = None, *, urgent: bool | None = None) -> Self:
        """This client with other options for its calls: cheap to make, sharing connections, token and budgets.

        `deadline_seconds` bounds each whole call; `urgent` ones use the reserved budget and wait behind nobody.
        """
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__)
        view.options = CallOptions(
            self.options.deadline_seconds if deadline_seconds is None else deadline_seconds,
            self.options.urgent if urgent is None else urgent,
        )
        return _bound(view)

    @property
    def access_token(self) -> str:
        """Not here: a token takes waiting. Use `await client.fetch_access_token()`."""
        raise AttributeError("access_token needs waiting: await client.fetch_access_token()")

    @property
    def ahead(self) -> timedelta:
        """By how much WeCom's clock is ahead of this machine's, as its last answer said."""
        return timedelta(seconds=self._transport.ahead_seconds)

    async def fetch_access_token(self) -> str:
        """The present access token, fetched if there is none. Raises WeComError."""
        return await self._transport.token.get()

    async def address(self, path: str, **params: str) -> str:
        """The address of a GET call, access token included: a secret."""
        return str(URL(self.base_url + path).with_query({**params, "access_token": await self.fetch_access_token()}))

    async def fetch_picture(self, address: str) -> bytes:
        """The picture at an address that WeCom gave, PNG or JPG. Raises NoAnswerError."""
        given, ours = URL(address), URL(self.base_url)
        if given.scheme != "https" and given.origin() != ours.origin():
            raise no_answer("picture", "an address that is not https", sent=False, repeatable=False)
        content = await self._transport.fetch(address, PICTURE_MAX_BYTES)
        if not content.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
            raise no_answer("picture", "something that is neither PNG nor JPG", sent=True, repeatable=True)
        return content

    async def _request(self, method: str, url_or_endpoint: str, **kwargs: Any) -> Any:
        """wechatpy's one request method: every API call of every family comes through here."""
        process = kwargs.pop("result_processor", None)
        call = await self._call(method.upper(), url_or_endpoint, kwargs)
        answer = await self._transport.call(call, self.options)
        return process(answer) if process else answer

    async def _call(self, method: str, url_or_endpoint: str, kwargs: dict[str, Any]) -> Call:
        base = kwargs.get("api_base_url", self.base_url)
        url = url_or_endpoint if url_or_endpoint.startswith(("http://", "https://")) else base + url_or_endpoint
        path = url.removeprefix(self.base_url)
        data, files = kwargs.get("data"), kwargs.get("files")
        return Call(
            method=method,
            path=path,
            url=url,
            params={
                name: _query_text(value) for name, value in (kwargs.get("params") or {}).items() if value is not None
            },
            body=_body(data),
            uploads=await _uploads(files) if files else (),
            repeatable=may_repeat(method, path, data),
            wants_file=bool(kwargs.get("wants_file")),
        )


def _bound(client: Client) -> Client:
    """`client` with APIs of its own, in place of its class's or another client's."""
    kind: type = type(client)
    for name, family in _families_of(kind).items():
        setattr(client, name, family(client))
    return client


@cache
def _families_of(cls: type) -> dict[str, type[BaseWeChatAPI]]:
    return {name: type(api) for name, api in inspect.getmembers(cls, lambda member: isinstance(member, BaseWeChatAPI))}


def _query_text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _body(data: Any) -> bytes | None:
    if data is None or isinstance(data, bytes):
        return data
    # Raw UTF-8: WeCom refuses \uXXXX in places (40033).
    return data.encode() if isinstance(data, str) else json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")


async def _uploads(files: Mapping[str, Any]) -> tuple[Upload, ...]:
    return tuple([await _upload(part, file) for part, file in files.items()])


async def _upload(part: str, file: Any) -> Upload:
    filename, source, content_type = (*file, None, None)[:3] if isinstance(file, tuple) else (None, file, None)
    # Read off the event loop and kept: a repeated request needs the bytes again.
    content = source if isinstance(source, bytes) else await asyncio.to_thread(source.read)
    name = filename or PurePath(str(getattr(source, "name", "") or "media")).name
    kind = content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Upload(part, name, content, kind)
