"""`siyu welcome`, `siyu tags` and `siyu media`: rules made, changed, tried and removed."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.db import Database
from data.queries import staff as staff_rows
from data.queries import tags as tag_rows
from data.queries import welcomes as welcome_rows
from tests.cli.conftest import Siyu

LINK = '{"msgtype":"link","link":{"title":"活动","url":"https://example.com"}}'


def test_a_rule_is_made_from_options_changed_and_removed(siyu: Siyu, config: Path) -> None:
    assert "nobody is greeted" in siyu("welcome", "list", config=config).out
    made = siyu(
        "welcome", "add", "--name", "门店", "--text", "欢迎{{ customer_name }}", "--state", "store_1",
        "--state", "web*",
        "--userid", "LiTing", "--department", 3, "--window", "1-5 09:00-18:00", "--window", "6,7", "--customer", "new",
        "--priority", 5, "--fallback-text", "您好", "--attachment", LINK, config=config,
    )  # fmt: skip
    assert (made.code, made.out) == (0, "Welcome rule 1 门店 added.\n")
    rule = siyu("welcome", "show", 1, config=config).json
    assert rule["conditions"] == {
        "states": ["store_1"], "state_prefixes": ["web"], "userids": ["LiTing"], "department_ids": [3],
        "windows": [
            {"weekdays": [1, 2, 3, 4, 5], "start": "09:00", "end": "18:00"},
            {"weekdays": [6, 7], "start": "00:00", "end": "00:00"},
        ],
        "customer": "new",
    }  # fmt: skip
    assert rule["content"]["attachments"][0]["link"]["title"] == "活动"

    siyu("welcome", "edit", 1, "--text", "新的话", "--userid", "", "--customer", "", "--attachment", "", config=config)
    changed = siyu("welcome", "show", 1, config=config).json
    assert changed["content"] == {"text": "新的话", "attachments": []}
    assert changed["conditions"] == {**rule["conditions"], "userids": [], "customer": None}

    assert "disabled" in siyu("welcome", "disable", 1, config=config).out
    assert siyu("welcome", "list", "--json", config=config).json[0]["enabled"] is False
    assert siyu("welcome", "enable", 1, config=config).code == 0
    assert siyu("welcome", "delete", 1, "--yes", config=config).code == 0
    gone = siyu("welcome", "show", 1, config=config)
    assert (gone.code, gone.out) == (2, "")


def test_what_show_prints_can_be_edited_and_given_back(siyu: Siyu, config: Path, tmp_path: Path) -> None:
    siyu("welcome", "add", "--name", "默认", "--text", "您好", config=config)
    rule = siyu("welcome", "show", 1, config=config).json
    file = tmp_path / "rule.json"
    file.write_text(json.dumps({**rule, "priority": 7, "content": {"text": "来自文件"}}), "utf-8")
    assert siyu("welcome", "edit", 1, file, config=config).code == 0
    changed = siyu("welcome", "show", 1, config=config).json
    assert (changed["id"], changed["priority"], changed["content"]["text"]) == (1, 7, "来自文件")
    file.write_text(json.dumps({**rule, "name": "第二条"}), "utf-8")
    assert siyu("welcome", "add", file, "--disabled", config=config).out == "Welcome rule 2 第二条 added (disabled).\n"


UNUSABLE = [
    (["--name", "x", "--text", "{{ nobody }}"], "content.text"),
    (["--name", "x", "--text", "好" * 1400], "content.text"),
    (["--text", "您好"], "name"),
    (["--name", "x"], "content"),
    (["--name", "x", "--text", "a", "--customer", "old"], "conditions.customer"),
    (["--name", "x", "--text", "a", "--window", "8 09:00-10:00"], "no time window"),
    (["--name", "x", "--text", "a", "--window", "25:00-26:00"], "conditions.windows[0].start"),
    (["--name", "x", "--text", "a", "--department", "sales"], "department id"),
    (["--name", "x", "--text", "a", "--attachment", "{"], "not JSON"),
    (["--name", "x", "--text", "a", "--media", "abc"], "names no file"),
    (["/nowhere.json"], "cannot be read"),
]


def test_a_rule_that_could_not_be_sent_is_refused_in_words(siyu: Siyu, ready_config: Path) -> None:
    for args, told in UNUSABLE:
        ended = siyu("welcome", "add", *args, config=ready_config)
        assert (ended.code, ended.out) == (2, ""), args
        assert told in ended.err
        assert "Traceback" not in ended.err
    assert siyu("welcome", "list", "--json", config=ready_config).json == []


async def _directory(db: Database) -> None:
    now = datetime.now(UTC)
    member = {"userid": "LiTing", "name": "李婷", "department": [2], "status": 1}
    departments = [{"id": 1, "name": "总部", "parentid": 0}, {"id": 2, "name": "门店", "parentid": 1}]
    await db.write(staff_rows.replace_directory, departments, [member], ["LiTing"], now)
    tags = [{"id": "t1", "name": "门店"}, {"id": "t2", "name": "新客"}]
    other = [{"id": "t3", "name": "门店"}]
    groups = [
        {"group_id": "g1", "group_name": "来源", "tag": tags},
        {"group_id": "g2", "group_name": "地点", "tag": other},
    ]
    await db.write(tag_rows.replace_tags, groups, now)


@pytest.fixture
async def directory(db: Database) -> None:
    """One member of staff, a tag that is alone in its name, and two that share one."""
    await _directory(db)


@pytest.mark.usefixtures("directory")
def test_trying_a_rule_prints_the_words_and_why_not_the_others(siyu: Siyu, config: Path, tmp_path: Path) -> None:
    siyu("welcome", "add", "--name", "默认", "--text", "您好，我是{{ staff_name }}", config=config)
    siyu("welcome", "add", "--name", "总部的", "--text", "{{ time_of_day }}，{{ customer_name }}", "--department", 1,
         "--window", "1-5 09:00-18:00", config=config)  # fmt: skip
    told = siyu(
        "welcome", "try", "--userid", "LiTing", "--at", "2026-03-04T10:00", "--customer-name", "小鱼", config=config
    )
    assert "✓ rule 2 总部的 (priority 0) matched" in told.out
    assert "- rule 1 默认 (priority 0) would match too" in told.out
    assert told.out.rstrip().endswith("早上好，小鱼")

    told = siyu("welcome", "try", "--userid", "stranger", "--at", "2026-03-07T10:00", config=config)
    assert "department: wants 1, is none" in told.out
    assert "time: wants Mon-Fri 09:00-18:00, is 2026-03-07 10:00 Sat" in told.out
    assert told.out.rstrip().endswith("您好，我是您的专属顾问")

    draft = tmp_path / "draft.json"
    draft.write_text(
        '{"name": "草稿", "conditions": {"userids": ["liting"]}, "content": {"text": "草稿"}, "priority": 9}'
    )
    told = siyu("welcome", "try", "--userid", "LiTing", "--rule", draft, "--json", config=config)
    assert told.json["words"] == "草稿"
    assert len(siyu("welcome", "list", "--json", config=config).json) == 2
    assert siyu("welcome", "try", "--userid", "a", "--at", "soon", config=config).code == 2


def test_without_a_rule_nobody_would_be_greeted(siyu: Siyu, config: Path) -> None:
    assert "No rule matches" in siyu("welcome", "try", "--userid", "a", config=config).out


@pytest.mark.usefixtures("directory")
def test_tag_rules_take_tags_by_name(siyu: Siyu, config: Path) -> None:
    assert "来源" in siyu("tags", "list", config=config).out
    made = siyu("tags", "rules", "add", "--name", "新来的", "--put-on", "新客", "--take-off", "t1", "--state", "web*",
                "--word", "团购", "--on", "add", "--on", "edit", "--add-way", 1, config=config)  # fmt: skip
    assert made.code == 0, made.err
    rule = siyu("tags", "rules", "show", 1, config=config).json
    assert (rule["put_on"], rule["take_off"], rule["triggers"]) == (["t2"], ["t1"], ["add", "edit"])
    assert rule["conditions"]["words"] == ["团购"]
    assert "+新客 -门店" in siyu("tags", "rules", "list", config=config).out

    tried = siyu("tags", "rules", "try", "--userid", "LiTing", "--state", "web", "--remark", "要团购", "--add-way", 1,
                 config=config)  # fmt: skip
    assert tried.out.rstrip().endswith("Tags: +新客 -门店")
    tried = siyu("tags", "rules", "try", "--userid", "LiTing", config=config)
    assert "words in the name or remark: wants 团购, is unknown" in tried.out
    assert tried.out.rstrip().endswith("No tag would change.")

    assert "several groups" in siyu("tags", "rules", "edit", 1, "--put-on", "门店", config=config).err
    assert "put_on" in siyu("tags", "rules", "edit", 1, "--put-on", "没有的", config=config).err
    assert siyu("tags", "rules", "edit", 1, "--word", "", "--name", "改名", config=config).code == 0
    assert siyu("tags", "rules", "show", 1, config=config).json["conditions"]["words"] == []
    for command in ("disable", "enable"):
        assert siyu("tags", "rules", command, 1, config=config).code == 0
    assert siyu("tags", "rules", "delete", 1, "--yes", config=config).code == 0
    assert siyu("tags", "rules", "edit", 1, "--name", "x", config=config).code == 2


@pytest.mark.usefixtures("directory")
def test_tag_rules_on_orders_take_shop_amount_and_number(siyu: Siyu, config: Path) -> None:
    made = siyu("tags", "rules", "add", "--name", "大单", "--put-on", "新客", "--on", "order", "--order-source", "shop",
                "--order-source", "mall", "--order-amount", "199.5", "--order-count", 2, config=config)  # fmt: skip
    assert made.code == 0, made.err
    rule = siyu("tags", "rules", "show", 1, config=config).json["conditions"]
    assert (rule["order_sources"], rule["order_amount_fen_min"], rule["order_count_min"]) == (
        ["mall", "shop"], 19_950, 2,
    )  # fmt: skip
    assert "order from mall or shop" in siyu("tags", "rules", "list", config=config).out
    siyu("tags", "rules", "edit", 1, "--order-source", "", "--order-amount", "", "--order-count", 0, config=config)
    rule = siyu("tags", "rules", "show", 1, config=config).json["conditions"]
    assert (rule["order_sources"], rule["order_amount_fen_min"], rule["order_count_min"]) == ([], 0, 0)
    for amount in ("1e3", "-1", "0.001", "一百"):
        refused = siyu("tags", "rules", "edit", 1, f"--order-amount={amount}", config=config)
        assert (refused.code, "no amount in yuan" in refused.err) == (2, True), amount


def test_files_are_kept_and_used_by_the_beginning_of_their_key(siyu: Siyu, config: Path, tmp_path: Path) -> None:
    poster = tmp_path / "海报.png"
    poster.write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 20)
    key = siyu("media", "add", poster, config=config).out.strip()
    assert len(key) == 64
    assert "海报.png" in siyu("media", "list", config=config).out
    assert siyu("welcome", "add", "--name", "图", "--text", "看", "--media", key[:8], config=config).code == 0
    rule = siyu("welcome", "show", 1, config=config).json
    assert rule["content"]["attachments"] == [{"msgtype": "image", "image": {"media": key, "pic_url": ""}}]
    shown = siyu("media", "show", key[:8], config=config).out
    assert key in shown
    assert re.search(r"welcome rule +1 +图", shown)
    refused = siyu("media", "remove", key[:8], config=config)
    assert (refused.code, "welcome rule 1 图" in refused.err) == (2, True)
    siyu("welcome", "delete", 1, "--yes", config=config)
    assert siyu("media", "show", key, "--json", config=config).json["used_by"] == []
    assert siyu("media", "remove", key[:8], "--yes", config=config).code == 0
    assert siyu("media", "show", key, config=config).code == 2
    (tmp_path / "a.txt").write_bytes(b"123")
    with (tmp_path / "large.bin").open("wb") as large:
        large.truncate(30_000_000)
    for args, told in (
        ([tmp_path / "a.txt"], "more than 5"),
        ([tmp_path / "large.bin"], "has 30,000,000 bytes; WeCom takes at most 20,971,520"),
        ([poster, "--kind", "video"], "MP4"),
        ([poster, "--kind", "voice"], "--kind is"),
        ([tmp_path / "none.png"], "does not exist"),
    ):
        ended = siyu("media", "add", *args, config=config)
        assert ended.code == 2
        assert told in ended.err


async def test_the_log_of_welcomes(siyu: Siyu, config: Path, db: Database) -> None:
    row = {
        "event_id": 1, "kind": "k", "userid": "LiTing", "external_userid": "wm1", "state": "web", "status": "missed",
        "reason": "too_late", "note": "超过了 20 秒的发送时限", "rule_id": 3, "explanation": {}, "words": "小鱼您好",
        "attachments": 0, "received_at": datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC), "sent_at": None,
    }  # fmt: skip
    await db.write(welcome_rows.record_welcome, row)
    await asyncio.to_thread(_look_at_log, siyu, config)


def _look_at_log(siyu: Siyu, config: Path) -> None:
    told = siyu("welcome", "log", config=config).out
    assert "2026-03-04 13:06:07" in told, "times are the company's"
    assert "超过了 20 秒的发送时限" in told
    assert "小鱼您好" not in told
    assert "小鱼您好" in siyu("welcome", "log", "--words", config=config).out
    assert (
        siyu("welcome", "log", "--json", "--customer", "wm1", "--since", "2026-03-04", config=config).json[0]["rule_id"]
        == 3
    )
    assert siyu("welcome", "log", "--status", "sent", config=config).out == "No welcome fits.\n"
    assert siyu("welcome", "log", "--until", "2026-03-04T13:06:07", config=config).out == "No welcome fits.\n"
    assert siyu("alerts", "list", config=config).out == "There is no alert.\n"
