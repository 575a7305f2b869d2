"""Rosters through the API: a file becomes the audience of a campaign."""

from __future__ import annotations

import io

from tests.api.conftest import Caller
from tests.api.test_campaigns import synced, wave


async def test_a_file_becomes_an_audience_and_is_removed(caller: Caller) -> None:
    await synced(caller)
    listed = sorted(caller.sandbox.world.customers.listed_by(caller.sandbox.world.population.service[0].userid))[:4]
    table = "姓名,external_userid\n" + "".join(f"客户,{whom}\n" for whom in [*listed, listed[0]])
    status, made = await caller.call("POST", "/rosters?name=%E8%80%81%E5%AE%A2%E6%88%B7", data=table.encode("gbk"))
    assert (status, made["name"], made["rows"], made["customers"], made["skipped"]) == (201, "老客户", 5, 4, 0)
    assert (await caller.call("GET", "/rosters"))[1]["items"] == [made]
    assert await caller.call("GET", f"/rosters/{made['id']}") == (200, made)
    audience = {"segment": {"roster": {"roster_id": made["id"]}}}
    _, preview = await caller.call("POST", "/campaigns/preview", wave(audience=audience))
    assert preview["recipients"] == 4
    _, held = await caller.call("GET", f"/customers/{listed[0]}/export")
    assert [row["roster_id"] for row in held["tables"]["roster_members"]] == [made["id"]]

    faulty = f"{table}客户,wmNobody\n客户,=1+1\n".encode()
    status, refused = await caller.call("POST", "/rosters?name=x", data=faulty)
    assert status == 422
    assert [each["path"] for each in refused["error"]["problems"]] == [
        "file[7].external_userid", "file[8].external_userid",
    ]  # fmt: skip
    status, skipped = await caller.call("POST", "/rosters?name=x&skip_faulty=true", data=faulty)
    assert (status, skipped["rows"], skipped["customers"], skipped["skipped"]) == (201, 7, 4, 2)
    for query, content, code in (
        ("name=x", b"\x00\xff" * 9, 422), ("name=x", b"", 422), ("", table.encode(), 422), ("name=", b"x", 422),
        ("name=x", b"external_userid\n" + b"x" * 34_000_000, 413),
    ):  # fmt: skip
        assert (await caller.call("POST", f"/rosters?{query}", data=io.BytesIO(content)))[0] == code
    assert len((await caller.call("GET", "/rosters"))[1]["items"]) == 2

    segment = {"name": "名单上的", "definition": audience["segment"]}
    _, saved = await caller.call("POST", "/segments", segment)
    use = {"kind": "segment", "id": saved["id"], "name": "名单上的"}
    assert (await caller.call("GET", f"/rosters/{made['id']}"))[1]["used_by"] == [use]
    status, refused = await caller.call("DELETE", f"/rosters/{made['id']}")
    assert (status, f"segment {saved['id']} 名单上的" in refused["error"]["message"]) == (409, True)
    assert (await caller.call("DELETE", f"/rosters/{made['id']}?force=true"))[0] == 200
    assert (await caller.call("GET", f"/rosters/{made['id']}"))[0] == 404
    status, refused = await caller.call("POST", "/campaigns/preview", wave(audience=audience))
    assert (status, refused["error"]["problems"][0]["path"]) == (422, "audience.segment.roster.roster_id")
    _, held = await caller.call("GET", f"/customers/{listed[0]}/export")
    assert [row["roster_id"] for row in held["tables"]["roster_members"]] == [skipped["id"]]
