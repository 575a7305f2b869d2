"""`siyu kf` from a terminal, beside the local WeCom."""

from __future__ import annotations

from pathlib import Path

from bot.clock import Clock
from bot.sandbox.kf import OWN
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from tests.cli.conftest import Ended, siyu_beside, write_config
from tests.conftest import Urls


async def test_accounts_are_read_rules_written_messages_answered_and_handed_over(urls: Urls, tmp_path: Path) -> None:
    async with Sandbox(World(staff=4, customers=3, clock=Clock())) as sandbox:
        app, company = sandbox.world.app, sandbox.world.company
        config = write_config(
            tmp_path / "config.toml", urls,
            company=f'corpid = "{company.corpid}"', app=f'agentid = {app.agentid}\nsecret = "{app.secret}"',
            wecom=f'api_base_url = "{sandbox.api_base_url}"',
            drafts='mode = "draft"\nurl = "http://127.0.0.1:9/v1"\nmodel = "tiny"\nbudget_seconds = 5',
        )  # fmt: skip
        acts, account = sandbox.machine.kf_acts, sandbox.world.kf.accounts()[0]
        whom = sandbox.world.customers.create("小鱼").external_userid

        async def kf(*args: object) -> Ended:
            return await siyu_beside("kf", *args, "--config", config)

        assert (await kf("accounts")).out.startswith("There is none")
        assert account.open_kfid in (await kf("accounts", "--read")).out
        assert (await kf("rules", "list")).out.startswith("There is none")
        made = await kf("rules", "add", "--name", "问价", "--word", "多少钱", "--text", "199 元起")
        assert made.out == "Rule 1 was made.\n"
        taken = await kf("rules", "add", "--name", "问价", "--text", "x")
        assert (taken.code, "问价" in taken.err) == (2, True)
        pattern = await kf("rules", "add", "--name", "坏", "--how", "pattern", "--word", "(?=a)", "--text", "x")
        assert (pattern.code, "RE2" in pattern.err) == (2, True)
        assert (await kf("rules", "add", "--name", "坏", "--definition", "[")).code == 2
        person = ("--word", "人工", "--hand-over", "--notice", "请稍候")
        assert (await kf("rules", "add", "--name", "人工", *person)).out == "Rule 2 was made.\n"
        assert [each["name"] for each in (await kf("rules", "list", "--json")).json] == ["问价", "人工"]
        tried = (await kf("rules", "try", "请问多少钱？")).out
        assert "Rule 1 (问价) answers:\n  text: 199 元起\n" in tried

        # What no event told of is read and answered.
        acts.write(account.open_kfid, whom, "text", {"content": "多少钱"}, tell=False)
        assert (await kf("pull", "wkNobodys")).code == 2
        assert (await kf("pull")).out == "1 new messages; something was done in 1 conversations.\n"
        got = [line.content for line in sandbox.world.kf.chat(account.open_kfid, whom) if line.origin == OWN]
        assert got == [{"content": "199 元起"}]
        (session,) = (await kf("sessions", "--json")).json
        assert (session["id"], session["state"], session["may_send"]) == (1, "new", 4)
        assert (await kf("sessions", "--state", "person")).out == "There is none.\n"
        said = (await kf("messages", 1)).out
        assert all(words in said for words in ("多少钱", "199 元起", "customer", "sent"))
        assert (await kf("messages", 9)).code == 2
        # What the knowledge says waits for whoever sends it.
        pairs = tmp_path / "pairs.csv"
        pairs.write_text("问题,答案\n多久发货,48 小时内\n", "utf-8")
        await siyu_beside("knowledge", "import", pairs, "--config", config)
        assert (await kf("rules", "add", "--name", "知识", "--knowledge")).out == "Rule 3 was made.\n"
        acts.write(account.open_kfid, whom, "text", {"content": "多久发货"}, tell=False)
        assert (await kf("pull")).out == "1 new messages; something was done in 1 conversations.\n"
        (asked,) = [each for each in (await kf("messages", 1, "--json")).json if each["draft"]]
        assert (asked["words"], asked["draft"]) == ("多久发货", "48 小时内")
        assert (await kf("send-draft", 1, asked["id"])).out == f"Message {asked['id']} was answered.\n"
        again = await kf("send-draft", 1, asked["id"])
        assert (again.code, "已经发送过" in again.err) == (2, True)
        assert (await kf("send-draft", 1, 1)).code == 2
        assert (await kf("hand-over", 1, "--notice", "请稍候")).out == "Conversation 1: queued\n"
        assert (await kf("hand-over", 1, "--to", "person", "--userid", "nobody")).code == 2
        assert "queued" in (await kf("sessions")).out
        assert (await kf("rules", "remove", 2)).out == "Rule 2 was removed.\n"
        assert (await kf("rules", "remove", 2)).code == 2
