"""`siyu channels`: made, changed, paused, printed and handed in as a file from a terminal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bot.clock import Clock
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from tests.cli.conftest import siyu_beside, write_config
from tests.conftest import Urls


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_a_channel_is_made_changed_and_printed(urls: Urls, tmp_path: Path) -> None:
    async with Sandbox(World(customers=3, clock=Clock())) as sandbox:
        app, company = sandbox.world.app, sandbox.world.company
        first, last = (sandbox.world.population.service[each].userid for each in (0, -1))
        config = write_config(
            tmp_path / "config.toml", urls,
            company=f'corpid = "{company.corpid}"', app=f'agentid = {app.agentid}\nsecret = "{app.secret}"',
            wecom=f'api_base_url = "{sandbox.api_base_url}"',
        )  # fmt: skip

        async def siyu(*args: str, code: int = 0) -> str:
            ended = await siyu_beside(*args, "--config", config)
            assert ended.code == code, ended.err
            return ended.out + ended.err

        group = sandbox.machine.group_acts.create(first, "会员群", [])
        await siyu("sync")
        told = await siyu("channels", "add", "--name", "前台", "--member", first, code=2)
        assert "--fallback names who takes over" in told
        assert "没有成员 nobody" in await siyu(
            "channels", "add", "--name", "前台", "--member", "nobody", "--fallback", last, code=2
        )
        made = await siyu(
            "channels", "add", "--name", "前台", "--member", first, "--fallback", last, "--welcome", "您好"
        )
        assert f"Channel 1 前台: made, on the code: {first}." in made
        await siyu("channels", "edit", "1", "--shift", f"1-7 00:00-00:00 {last}", "--daily-cap", "9")
        assert f"on the code: {last}." in await siyu("channels", "pause", "1")
        assert "前台" in await siyu("channels", "list")
        shown = await siyu("channels", "show", "1")
        assert '"daily_cap": 9' in shown
        code, poster = tmp_path / "code.png", tmp_path / "poster.svg"
        await siyu("channels", "code", "1", str(code))
        await siyu("channels", "code", "1", str(poster), "--poster")
        assert code.read_bytes().startswith(b"\x89PNG")
        assert "前台" in poster.read_text("utf-8")
        file = tmp_path / "many.csv"
        file.write_text(f"name,userids,fallback\n门店一,{first},{last}\n坏行,nobody,{last}\n", "gbk")
        assert "1 can be made, 0 are there already." in await siyu("channels", "import", str(file))
        assert "Import 1" in await siyu("channels", "import", str(file), "--yes")
        assert "0 can be made, 1 are there already." in await siyu("channels", "import", str(file))
        made = await siyu("channels", "add", "--link", "--name", "广告", "--member", first, "--fallback", last)
        assert "?customer_channel=ch-" in made
        assert "500 of 500 are left." in await siyu("channels", "quota")
        assert "0 customers came by it" in await siyu("channels", "link", "3")
        assert "is a code" in await siyu("channels", "link", "1", code=2)
        assert "Channel 3 广告: deleted" in await siyu("channels", "delete", "3")
        assert "不能删除" in await siyu("channels", "delete", "1", code=2)
        assert "Nobody has come" in await siyu("channels", "statistics")
        assert "DAY" in await siyu("channels", "statistics", "--channel", "1", "--days", "2")
        assert "Channel 4 副本: made" in await siyu("channels", "copy", "1", "--name", "副本")
        listed = await siyu("channels", "list", "--member", last)
        assert ("前台" in listed, "广告" in listed) == (True, False), "deleted ones need nobody"
        assert "There is none" in await siyu("channels", "list", "--links", "--member", last)
        await siyu("channels", "edit", "4", "--title", "扫码领券", "--daily-cap", "0", "--ask-first")
        shown = await siyu("channels", "show", "4")
        assert ('"title": "扫码领券"' in shown, '"daily_cap": null' in shown) == (True, True)
        assert "0 codes are in" in await siyu("channels", "codes", "1", str(tmp_path / "codes.zip"))
        await groups_and_their_codes(siyu, first, group.chat_id)
        for args, words in (
            (("edit", "1"), "Say what to change"),
            (("edit", "1", "--shift", "monday"), "is no shift"),
            (("again", "1"), "不需要重新创建"),
            (("show", "9"), "没有编号为 9"),
        ):
            assert words in await siyu("channels", *args, code=2)


async def groups_and_their_codes(siyu: Callable[..., Awaitable[str]], owner: str, chat_id: str) -> None:
    """Groups, what is to be handed over of a member, and join codes."""
    assert "会员群" in await siyu("groups", "list", "--name", chat_id)
    assert f'"owner": "{owner}"' in await siyu("groups", "show", chat_id)
    assert "会员群: 1 members, 0 of them customers." in await siyu("groups", "read", chat_id)
    assert "Nothing was read yet" in await siyu("groups", "statistics", "--owner", owner)
    told = await siyu("handovers", "checklist", owner)
    assert ("customer groups that the member owns" in told, "channel codes" in told) == (True, True)
    await siyu("handovers", "groups", "1", code=2)
    made = await siyu("join-ways", "add", "--name", "门店", "--group", chat_id, "--base-name", "会员群")
    assert f"Join code 1 门店: made, groups: {chat_id}." in made
    assert "Say what to change" in await siyu("join-ways", "edit", "1", code=2)
    assert "Join code 1 前台: made" in await siyu("join-ways", "edit", "1", "--name", "前台")
    assert "Join code 1 前台: made" in await siyu("join-ways", "read", "1")
    assert "is made" in await siyu("join-ways", "again", "1", code=2)
