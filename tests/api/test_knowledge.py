"""Knowledge through the API."""

from __future__ import annotations

from tests.api.conftest import Caller


async def test_pairs_are_made_found_imported_and_removed(caller: Caller) -> None:
    draft = {"phrasings": ["怎么退款", "可以退吗"], "text": "七天内可退。"}
    status, made = await caller.call("POST", "/knowledge", draft)
    assert (status, made["phrasings"], made["enabled"], made["uses"]) == (201, draft["phrasings"], True, 0)
    path = f"/knowledge/{made['id']}"
    assert await caller.call("GET", path) == (200, made)
    for wrong, field in (
        ({"phrasings": [], "text": "x"}, "phrasings"),
        ({"phrasings": ["问"], "text": ""}, "text"),
        ({"phrasings": ["问"], "attachment": {"msgtype": "image", "media": "0" * 64}}, "attachment.media"),
    ):
        status, refused = await caller.call("POST", "/knowledge", wrong)
        assert (status, [each["path"] for each in refused["error"]["problems"]]) == (422, [field])
    _, found = await caller.call("GET", "/knowledge/answers?question=%E6%80%8E%E4%B9%88%E9%80%80%E6%AC%BE")
    assert [(each["pair_id"], each["enough"], each["phrasing"]) for each in found["items"]] == [
        (made["id"], True, "怎么退款")
    ]
    status, changed = await caller.call("PATCH", path, {"open_kfids": ["wk1"], "enabled": False})
    assert (status, changed["open_kfids"], changed["enabled"], changed["version"]) == (200, ["wk1"], False, 2)
    table = "问题,答案\n几点开门,十点\n怎么退款,八天内可退\n".encode()
    _, done = await caller.call("POST", "/knowledge/import", data=table)
    assert (done["made"], done["changed"], done["same"]) == (1, 1, 0)
    _, listed = await caller.call("GET", "/knowledge?q=%E5%BC%80%E9%97%A8&limit=1")
    assert [each["text"] for each in listed["items"]] == ["十点"]
    assert (await caller.call("GET", "/knowledge/unanswered"))[1] == {"items": []}
    assert (await caller.call("DELETE", path))[0] == 200
    assert (await caller.call("GET", path))[0] == 404
    _, group = await caller.call("POST", "/knowledge/synonyms", {"words": ["焖烧杯", "保温壶"]})
    _, instead = await caller.call("POST", "/knowledge/synonyms", {"words": [], "replaces": "运费"})
    status, refused = await caller.call("PUT", f"/knowledge/synonyms/{group['id']}", {"words": ["焖烧杯", "退钱"]})
    assert (status, refused["error"]["problems"][0]["path"]) == (422, "words")
    path = f"/knowledge/synonyms/{group['id']}?version="
    assert (await caller.call("PUT", f"{path}1", {"words": ["焖烧杯"]}))[1]["version"] == 2
    assert (await caller.call("PUT", f"{path}1", {"words": ["保温壶"]}))[0] == 409
    _, all_groups = await caller.call("GET", "/knowledge/synonyms")
    assert [each["id"] for each in all_groups["items"][:3]] == [instead["id"], group["id"], None]
    assert "邮费" in instead["built_in"]
    assert (await caller.call("DELETE", f"/knowledge/synonyms/{instead['id']}"))[0] == 200
    reader = await caller.make_token("knowledge:read")
    assert (await caller.call("POST", "/knowledge", draft, token=reader))[0] == 403
