"""What customers want to hear is honoured, and what reached them is known."""

from __future__ import annotations

from bot.config import WelcomeSettings
from bot.sandbox.people import Added
from data.queries import preferences as preference_rows
from data.queries import touches as touch_rows
from data.rules.preferences import Preference, TouchKind
from tests.scenarios.conftest import Company, Start


async def opt_out_then_add_a_colleague(company: Company) -> Added:
    """A customer who was greeted once wants no message, and adds another staff member."""
    await company.add_rule("您好")
    added = company.scan()
    await company.settle()
    whom = added.follow.external_userid
    now = company.bot.clock.now()
    await company.bot.db.write(preference_rows.save_preference, whom, Preference(opted_out=True), "test", now)
    colleague = next(userid for userid in company.followers if userid != added.follow.userid)
    again = company.people.scan(external_userid=whom, userid=colleague)
    await company.settle()
    return again


async def test_a_welcome_answers_an_act_of_the_customers_own(company: Company) -> None:
    again = await opt_out_then_add_a_colleague(company)
    assert company.texts(again) == ["您好"]
    touches = [each.touch for each in await company.read(touch_rows.list_explained, again.follow.external_userid)]
    assert [each.kind for each in touches] == [TouchKind.WELCOME] * 2
    sent = {welcome.event_id: welcome.sent_at for welcome in await company.welcomes()}
    assert {each.origin: each.touched_at for each in touches} == {
        f"welcome:{event_id}": sent_at for event_id, sent_at in sent.items()
    }


async def test_a_company_may_count_a_welcome_as_any_other_message(start: Start) -> None:
    company = await start(welcome=WelcomeSettings(to_opted_out=False))
    again = await opt_out_then_add_a_colleague(company)
    assert company.texts(again) == []
    assert [(each.status, each.reason) for each in await company.welcomes()] == [("skipped", "unwanted"), ("sent", "")]
    assert await company.alerts() == []
    assert len(await company.read(touch_rows.list_explained, again.follow.external_userid)) == 1


async def test_what_is_only_observed_reaches_nobody(start: Start) -> None:
    company = await start("observe")
    await company.add_rule("您好")
    added = company.scan()
    await company.settle()
    assert await company.read(touch_rows.list_explained, added.follow.external_userid) == []
