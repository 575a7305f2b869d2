"""What WeCom's answers show, against the local WeCom over HTTP."""

from __future__ import annotations

import re
from datetime import timedelta

from aiohttp import web
from pydantic import SecretStr

from bot.sandbox.faults import Fault
from tests.doctor.conftest import Patient, failures, warnings


async def test_a_sound_app_is_found_sound(alone: Patient) -> None:
    for member in alone.sandbox.world.directory:
        member.customer_contact = True
    found = await alone.examine()
    assert failures(found) == {"never_verified"}
    assert warnings(found) == {"no_welcome_rule"}
    assert {"reachable", "clock", "token", "agent", "followers", "directory"} <= found.keys()


async def test_nobody_is_asked_with_a_secret_that_cannot_be_right(alone: Patient) -> None:
    alone.change(app__secret=SecretStr("short"))
    found = await alone.examine()
    assert failures(found) == {"secret_shape", "never_verified"}
    assert not alone.sandbox.machine.calls.counts


async def test_a_wecom_that_is_not_there(alone: Patient) -> None:
    await alone.sandbox.stop()
    found = await alone.examine()
    assert "unreachable" in failures(found)
    assert "token" not in found


async def test_an_address_that_is_not_wecoms(alone: Patient) -> None:
    alone.change(wecom__api_base_url=f"{alone.sandbox.url}/other/")
    assert "unreachable" in failures(await alone.examine())


async def test_a_wrong_corpid(alone: Patient) -> None:
    alone.change(company__corpid="ww0000000000000000")
    found = await alone.examine()
    assert "corpid_refused" in failures(found)
    assert "followers" not in found


async def test_a_wrong_secret(alone: Patient) -> None:
    alone.change(app__secret=SecretStr("x" * 43))
    found = await alone.examine()
    assert "secret_refused" in failures(found)
    assert "x" * 43 not in found["secret_refused"].en
    counts = alone.sandbox.machine.calls.counts
    assert sum(count for (path, _), count in counts.items() if path == "gettoken") == 1, "asking often bans the address"


async def test_an_address_that_was_banned_for_wrong_secrets(alone: Patient) -> None:
    alone.sandbox.machine.tokens.wrong_secrets_allowed = 0
    alone.sandbox.machine.tokens.wrong_secret("127.0.0.1", alone.clock.timestamp())
    assert "token_limited" in failures(await alone.examine())


async def test_an_ip_that_is_not_trusted_is_named(alone: Patient) -> None:
    alone.app(trusted_ips=["203.0.113.7"])
    found = await alone.examine()
    assert "ip_not_trusted" in failures(found)
    assert "127.0.0.1" in found["ip_not_trusted"].zh
    assert "127.0.0.1" in found["ip_not_trusted"].en
    assert "followers" not in found, "everything else would be refused alike"


async def test_an_app_without_the_customer_contact_permission(alone: Patient) -> None:
    alone.app(customer_contact=False)
    found = await alone.examine()
    assert "customer_contact_forbidden" in failures(found)
    assert "48002" in found["customer_contact_forbidden"].en


async def test_an_agentid_of_another_app(alone: Patient) -> None:
    alone.change(app__agentid=1000099)
    found = await alone.examine()
    assert "agentid_refused" in failures(found)
    assert "followers" in found


async def test_a_range_in_which_nobody_can_have_customers(alone: Patient) -> None:
    alone.app(visible_userids=[], visible_parties=[])
    assert "no_followers" in failures(await alone.examine())


async def test_members_without_the_feature_are_named(alone: Patient) -> None:
    member = next(iter(alone.sandbox.world.population.service))
    alone.sandbox.world.directory.get(member.userid).customer_contact = False
    found = await alone.examine()
    assert "members_without_feature" in warnings(found)
    assert member.userid in found["members_without_feature"].zh


async def test_a_trusted_domain_that_is_not_set(alone: Patient) -> None:
    alone.app(redirect_domain="")
    assert "trusted_domain" in warnings(await alone.examine())


async def test_a_public_address_that_wecom_does_not_trust(alone: Patient) -> None:
    for public_url, trusted in (
        ("https://bot.example.com", True), ("https://Bot.Example.com", True), ("https://other.example.com", False),
        ("https://bot.example.com:8443", False),
    ):  # fmt: skip
        alone.change(server__public_url=public_url)
        assert ("public_url" in failures(await alone.examine())) is not trusted, public_url


async def test_a_clock_that_is_wrong(alone: Patient) -> None:
    alone.clock.advance(timedelta(seconds=60))
    found = await alone.examine()
    assert "clock" in failures(found)
    # WeCom's own clock is read from a header of whole seconds.
    assert re.search(r"\b6[01] s ahead", found["clock"].en)
    alone.clock.advance(timedelta(seconds=-70))
    found = await alone.examine()
    assert "clock" in warnings(found)
    assert "慢" in found["clock"].zh


async def test_an_answer_without_a_time(alone: Patient) -> None:
    async def refuse(_request: web.Request) -> web.Response:
        response = web.json_response({"errcode": 41001, "errmsg": "access_token missing"})
        response.headers["Date"] = "yesterday"
        return response

    app = web.Application()
    app.router.add_get("/cgi-bin/{path:.+}", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    alone.change(wecom__api_base_url=f"http://127.0.0.1:{runner.addresses[0][1]}/cgi-bin/")
    found = await alone.examine()
    await runner.cleanup()
    assert "clock_unknown" in warnings(found)
    assert "token_refused" in failures(found)


async def test_a_directory_that_cannot_be_read_is_no_reason_to_stop(alone: Patient) -> None:
    alone.sandbox.machine.faults.add(Fault(id=0, target="api", kind="errcode", on="department/list", errcode=60011))
    found = await alone.examine()
    assert "directory" in warnings(found)
    assert "database_main" in found


async def test_a_refusal_that_no_table_names(alone: Patient) -> None:
    alone.sandbox.machine.faults.add(
        Fault(id=0, target="api", kind="errcode", on="externalcontact/get_follow_user_list", errcode=610016)
    )
    found = await alone.examine()
    assert "610016" in found["followers"].zh
    assert "followers" in failures(found)
