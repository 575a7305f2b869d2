"""What programs change through the API, in the audit log."""

from __future__ import annotations

from functools import partial

from data.queries import audit as audit_rows
from tests.api.conftest import Caller


async def test_what_a_program_changes_is_written_down_with_who_it_was(caller: Caller) -> None:
    whom = caller.sandbox.machine.people.scan(state="store_poster").follow.external_userid
    await caller.settle()
    shop = await caller.make_token(
        "rules:write", "rules:read", "orders:write", "webhooks:write", "fields:write", "knowledge:write",
        "privacy:write", "erasure:write", name="our shop",
    )  # fmt: skip
    call = partial(caller.call, token=shop)

    status, rule = await call("POST", "/welcome-rules", {"name": "默认", "content": {"text": "您好"}})
    assert status == 201
    await call("POST", "/welcome-rules/try", {"userid": "u1"})
    assert (await call("POST", "/welcome-rules", {"name": ""}))[0] == 422
    assert (await call("GET", "/welcome-rules"))[0] == 200
    order = {"source": "shop", "number": "A1", "status": "paid", "amount_fen": 1, "placed_at": "2026-03-04T10:00:00Z"}
    assert (await call("POST", "/orders", order))[0] == 200
    hook = {"name": "crm", "url": "https://crm.example/", "events": ["customer.added"], "secret": "s" * 40}
    assert (await call("POST", "/webhooks", hook))[0] in (201, 422)
    await call("POST", "/fields", {"name": "level", "kind": "text"})
    await call("PATCH", f"/customers/{whom}/fields", {"level": "gold of hers"})
    words = {"words": ["小样", "试用装"]}
    assert (await call("POST", "/knowledge/synonyms", words))[0] == 201
    pair = {"phrasings": ["几点开门"], "text": "十点"}
    once = {"Authorization": f"Bearer {shop}", "Idempotency-Key": "1"}
    for _ in range(2):
        async with caller.http.post(f"{caller.bot.url}/api/v1/knowledge", json=pair, headers=once) as response:
            assert response.status == 201
    assert (await call("DELETE", f"/welcome-rules/{rule['id']}"))[0] == 200

    entries = (await caller.bot.db.read(partial(audit_rows.list_entries, limit=50)))[::-1]
    told = [(each.action, each.what, each.external_userid) for each in entries if each.action != "webhooks.add_webhook"]
    assert told == [
        ("welcome_rules.create_rule", "/api/v1/welcome-rules", None),
        ("fields.define_field", "/api/v1/fields", None),
        ("fields.change_values", "/customers/{external_userid}/fields", whom),
        ("synonyms.make", "synonyms 1", None),
        ("knowledge.make_pair", "/api/v1/knowledge", None),
        ("welcome_rules.delete_rule", f"/api/v1/welcome-rules/{rule['id']}", None),
    ]
    assert {(each.who, each.address) for each in entries} == {("our shop", "api")}
    assert entries[0].after == {"name": "默认", "content": {"text": "您好"}}
    kept = str([each.after for each in entries])
    assert "gold of hers" not in kept
    assert "s" * 40 not in kept

    assert (await call("DELETE", f"/customers/{whom}"))[0] == 200
    left = await caller.bot.db.read(partial(audit_rows.list_entries, limit=50))
    assert (left[0].action, left[0].external_userid) == ("privacy.erase_customer", None)
    assert whom not in str([(each.what, each.external_userid, each.after) for each in left])
