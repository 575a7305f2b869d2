"""`siyu group-welcomes`: made, changed, looked at and retired from a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.clock import Clock
from bot.sandbox.faults import Fault
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from tests.cli.conftest import siyu_beside, write_config
from tests.conftest import Urls
from tests.sandbox.test_media import PNG

LINK = {"msgtype": "link", "link": {"title": "群规", "url": "https://shop.example/rules"}}


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_a_group_welcome_is_made_changed_and_retired(urls: Urls, tmp_path: Path) -> None:
    async with Sandbox(World(clock=Clock())) as sandbox:
        app, company = sandbox.world.app, sandbox.world.company
        config = write_config(
            tmp_path / "config.toml", urls,
            company=f'corpid = "{company.corpid}"', app=f'agentid = {app.agentid}\nsecret = "{app.secret}"',
            wecom=f'api_base_url = "{sandbox.api_base_url}"',
        )  # fmt: skip

        async def siyu(*args: str, code: int = 0) -> str:
            group = () if args[0] == "media" else ("group-welcomes",)
            ended = await siyu_beside(*group, *args, "--config", config)
            assert ended.code == code, ended.err
            return ended.out + ended.err

        (tmp_path / "a.png").write_bytes(PNG)
        key = (await siyu("media", "add", str(tmp_path / "a.png"))).split()[0]
        made = await siyu("add", "--name", "新人", "--text", "欢迎 %NICKNAME%！", "--media", key[:12])
        assert "Group welcome 1 新人: made." in made
        await siyu("edit", "1", "--attachment", json.dumps(LINK))
        [kept] = sandbox.world.group_welcomes.listed()
        assert [msgtype for msgtype, _ in kept.content] == ["text", "link"]
        listed = await siyu("list")
        assert all(word in listed for word in ("新人", "made", "欢迎 %NICKNAME%！", "link"))
        assert "All are in WeCom" in await siyu("check")
        kept.content = [("text", {"content": "别的话"})]
        assert "WeCom shows other text, attachment: siyu group-welcomes repair 1" in await siyu("check")
        await siyu("repair", "1")
        assert len(sandbox.world.group_welcomes.listed()[0].content) == 2

        for args, told in (
            (("edit", "1"), "Say what to change"),
            (("edit", "1", "--text", "{{ customer_name }}"), "%NICKNAME%"),
            (("edit", "1", "--attachment", "{"), "not JSON"),
            (("edit", "1", "--media", key, "--attachment", "{}"), "one attachment"),
            (("again", "1"), "not unknown"),
            (("show", "9"), "no group welcome 9"),
        ):
            assert told in await siyu(*args, code=2)
        on = "externalcontact/group_welcome_template/add"
        sandbox.machine.faults.add(Fault(id=0, target="api", kind="lose_answer", on=on, count=1))
        assert "siyu group-welcomes again 2" in await siyu("add", "--name", "二", "--text", "您好", code=1)
        assert "unknown" in await siyu("list")
        await siyu("retire", "1", "--yes")
        assert "retired" in await siyu("retire", "2", "--yes")
        assert len(sandbox.world.group_welcomes.listed()) == 1, "the one whose answer was lost is a person's"
        assert "新人" in await siyu("list", "--retired")
