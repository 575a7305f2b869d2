"""`siyu tags`: the company's tags listed, made, changed and deleted from a terminal."""

from __future__ import annotations

from pathlib import Path

from bot.clock import Clock
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from data.db import open_database
from data.queries import tags as rows
from tests.cli.conftest import siyu_process, write_config
from tests.conftest import Urls


async def test_tags_are_made_listed_changed_and_deleted(urls: Urls, tmp_path: Path) -> None:
    async with Sandbox(World(clock=Clock())) as sandbox:
        app, company = sandbox.world.app, sandbox.world.company
        config = write_config(
            tmp_path / "config.toml", urls,
            company=f'corpid = "{company.corpid}"', app=f'agentid = {app.agentid}\nsecret = "{app.secret}"',
            wecom=f'api_base_url = "{sandbox.api_base_url}"',
        )  # fmt: skip

        async def siyu(*args: str) -> str:
            ended = await siyu_process("tags", *args, "--config", config)
            assert ended.code == 0, ended.err
            return ended.out

        assert "Tag 春季 made: et" in await siyu("add", "春季", "秋季", "--group", "活动")
        listed = await siyu("list")
        assert "春季" in listed
        assert "this app" in listed
        await siyu("edit", "秋季", "--name", "立秋", "--order", "3")
        await siyu("groups", "edit", "活动", "--name", "节气")
        assert "节气" in await siyu("groups", "list")
        await siyu("delete", "春季", "--yes")
        group = sandbox.world.tags.find_group("节气")
        assert group is not None
        assert [tag.name for tag in group.tags] == ["立秋"]

        db = open_database(urls.main, pool_size=1)
        answer = [
            {"group_id": each.group_id, "group_name": each.group_name, "tag": [{"id": each.tags[0].id, "name": "甲"}]}
            for each in sandbox.world.tags.groups.values()
        ]
        await db.write(rows.replace_tags, answer, Clock().now())
        await db.close()
        foreign = next(tag.id for tag in sandbox.world.tags if not tag.agentid)
        for args, told in (
            (("edit", foreign, "--name", "新名"), "did not make it"),
            (("edit", "没有的标签", "--name", "新名"), "There is no tag"),
            (("edit", group.tags[0].id), "请给出新的 name 或 order"),
            (("add", "长" * 31, "--group", "活动"), "名称最多 30 个字"),
        ):
            ended = await siyu_process("tags", *args, "--config", config)
            assert (ended.code, told in ended.err) == (2, True), ended.err
        await siyu("groups", "delete", "节气", "--yes")
        assert sandbox.world.tags.find_group("节气") is None
