"""`siyu menu`: put where another was, shown, and taken away; nobody loses a menu without seeing what it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from data.db import Database
from tests.cli.conftest import siyu_beside, write_config
from tests.conftest import Urls


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_the_menu_is_made_shown_and_taken_away(urls: Urls, db: Database, tmp_path: Path) -> None:
    async with Sandbox(World()) as sandbox:
        company, app = sandbox.world.company, sandbox.world.app
        config = write_config(
            tmp_path / "config.toml", urls, wecom=f'api_base_url = "{sandbox.api_base_url}"',
            company=f'corpid = "{company.corpid}"', app=f'agentid = {app.agentid}\nsecret = "{app.secret}"',
        )  # fmt: skip

        async def menu(*words: str) -> str:
            ended = await siyu_beside("menu", *words, "--config", config)
            assert ended.code == 0, ended.err
            return ended.out

        assert "siyu menu create" in await menu("show")
        app.menu = {"button": [{"name": "旧菜单", "type": "click", "key": "old"}]}
        assert "This is another menu than ours" in await menu("show")
        made = await menu("create")
        assert made.index("旧菜单  old") < made.index("今日清单  siyu.today")
        assert "旧菜单" not in await menu("create")
        assert "another menu" not in await menu("show")
        assert "no menu any more" in await menu("delete")
        assert await menu("show", "--json") == "{}\n"
