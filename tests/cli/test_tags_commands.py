"""`siyu tags`: the company's tags listed, made, changed and deleted from a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.clock import Clock
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from data.db import open_database
from data.queries import tags as rows
from tests.cli.conftest import siyu_beside, write_config
from tests.conftest import Urls
from tests.scenarios.conftest import read_company

#: A process for each command takes long; what the commands do is tested on both databases elsewhere.
ON_SQLITE = pytest.mark.parametrize("urls", ["sqlite"], indirect=True)


@ON_SQLITE
async def test_tags_are_made_listed_changed_and_deleted(urls: Urls, tmp_path: Path) -> None:
    async with Sandbox(World(clock=Clock())) as sandbox:
        app, company = sandbox.world.app, sandbox.world.company
        config = write_config(
            tmp_path / "config.toml", urls,
            company=f'corpid = "{company.corpid}"', app=f'agentid = {app.agentid}\nsecret = "{app.secret}"',
            wecom=f'api_base_url = "{sandbox.api_base_url}"',
        )  # fmt: skip

        async def siyu(*args: str) -> str:
            ended = await siyu_beside("tags", *args, "--config", config)
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
            ended = await siyu_beside("tags", *args, "--config", config)
            assert (ended.code, told in ended.err) == (2, True), ended.err
        await siyu("groups", "delete", "节气", "--yes")
        assert sandbox.world.tags.find_group("节气") is None


@ON_SQLITE
async def test_marking_counts_marks_and_tells_how_far_it_is(urls: Urls, tmp_path: Path) -> None:
    async with Sandbox(World(clock=Clock())) as sandbox:
        app, company = sandbox.world.app, sandbox.world.company
        config = write_config(
            tmp_path / "config.toml", urls,
            company=f'corpid = "{company.corpid}"', app=f'agentid = {app.agentid}\nsecret = "{app.secret}"',
            wecom=f'api_base_url = "{sandbox.api_base_url}"',
        )  # fmt: skip
        await read_company(sandbox, urls)
        tag = next(iter(sandbox.world.tags))
        pairs = [
            (member.userid, whom)
            for member in sandbox.world.population.service
            for whom in sandbox.world.customers.listed_by(member.userid)
        ]
        follows = [sandbox.world.customers.find_follow(*pair) for pair in pairs]
        wanting = sum(tag.id not in follow.tag_ids for follow in follows if follow)

        counted = await siyu_beside(
            "tags", "mark", "--put-on", tag.id, "--everyone", "--dry-run", "--config", config
        )  # fmt: skip
        assert counted.json["items"] == wanting, counted.err
        listed = tmp_path / "pairs.csv"
        listed.write_text("userid,external_userid\n" + "".join(f"{a},{b}\n" for a, b in pairs[:9]), "utf-8")
        ended = await siyu_beside("tags", "mark", "--put-on", tag.id, "--file", str(listed), "--config", config)
        assert ended.code == 0, ended.err
        last = json.loads(ended.out.splitlines()[-1])
        assert (last["status"], last["done"] + last["already"]) == ("done", 9)
        left = await siyu_beside(
            "tags", "mark", "--put-on", tag.id, "--everyone", "--no-wait", "--config", config
        )  # fmt: skip
        marking = str(left.json["marking"])
        for act, status in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
            ended = await siyu_beside("tags", "markings", act, marking, "--config", config)
            assert f"is {status}" in ended.out, ended.err
        assert "cancelled" in (await siyu_beside("tags", "markings", "show", marking, "--config", config)).out
        shown = await siyu_beside("tags", "markings", "list", "--json", "--config", config)
        assert [each["status"] for each in shown.json] == ["cancelled", "done"]
        for args, told in (
            (("--put-on", tag.id), "请选择其中一种"),
            (("--put-on", "没有的", "--everyone"), "企业标签里没有"),
            (("--put-on", tag.id, "--file", str(config)), "应为 userid,external_userid"),
        ):
            ended = await siyu_beside("tags", "mark", *args, "--config", config)
            assert (ended.code, told in ended.err) == (2, True), ended.err
