"""Links on the phone page: opened as the customer whose phone it is, by the browser in their WeChat."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.sandbox.server import Sandbox
from tests.web.conftest import OpenPhone
from tests.web.test_phone_group_sends import be_customer, pair

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_link_in_a_text_is_opened_as_the_customer(sandbox: Sandbox, open_phone: OpenPhone) -> None:
    agents: list[str] = []

    async def shop(_: web.Request) -> web.Response:
        return web.Response(text="<h1>shop</h1>", content_type="text/html")

    async def link(request: web.Request) -> web.Response:
        agents.append(request.headers["User-Agent"])
        back = str(server.make_url("/back"))
        asked = f"appid={sandbox.world.company.corpid}&redirect_uri={back}&response_type=code&scope=snsapi_base&state=x"
        return web.Response(status=302, headers={"Location": f"{sandbox.url}/connect/oauth2/authorize?{asked}"})

    async def back(request: web.Request) -> web.Response:
        login = sandbox.machine.logins.redeem(request.query["code"], sandbox.clock.timestamp())
        return web.Response(status=302, headers={"Location": f"/shop?whom={login.external_userid}"})

    app = web.Application()
    app.add_routes([web.get("/l/x", link), web.get("/back", back), web.get("/shop", shop)])
    server = TestServer(app)
    await server.start_server()
    sandbox.world.app.callback_url = str(server.make_url("/callback"))
    sender, mine = pair(sandbox)
    address = str(server.make_url("/l/x"))
    sandbox.machine.people.write(sender, mine[0], "staff", f"<b>看 {address}。javascript:alert(1) 再见")
    phone = await open_phone(sandbox)
    page = phone.page
    await phone.open("?lang=zh")
    await be_customer(phone, sandbox, mine[0])
    await page.click(f'#customer [data-userid="{sender}"]')
    links = page.locator("#customer .bubble .text-link")
    await links.first.wait_for()
    assert await links.all_inner_texts() == [address]
    async with page.expect_popup() as opened:
        await links.first.click()
    shown = await opened.value
    await shown.wait_for_url(f"**/shop?whom={mine[0]}")
    assert "shop" in await shown.locator("h1").inner_text()
    assert "MicroMessenger" in agents[0]
    await server.close()
