"""Tags as they are typed: by id or by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.commands.terminal import refuse

if TYPE_CHECKING:
    from data.db import Database


async def tag_ids(db: Database, wanted: list[str]) -> list[str]:
    """Ids of tags given by id or by name; what is neither stays as it is, for the check to refuse."""
    from data.queries import tags as rows

    tags = await db.read(rows.list_tags)
    found: list[str] = []
    for each in wanted:
        named = [tag["tag_id"] for tag in tags if tag["name"] == each and all(tag["tag_id"] != each for tag in tags)]
        if len(named) > 1:
            refuse(f"{each!r} is a tag of several groups: give its id, see siyu tags list.")
        found += named or ([each] if each else [])
    return found


async def one_tag(db: Database, wanted: str) -> dict[str, Any]:
    """The tag that is meant. Ends the command if there is none."""
    from data.queries import tags as rows

    meant = await tag_ids(db, [wanted])
    found = [tag for tag in await db.read(rows.list_tags) if tag["tag_id"] in meant]
    if not found:
        refuse(f"There is no tag {wanted!r}: see siyu tags list.")
    return found[0]


async def one_group(db: Database, wanted: str) -> dict[str, Any]:
    """The group that is meant, by id or name. Ends the command if there is none."""
    from data.queries import tags as rows

    groups = await db.read(rows.list_groups)
    found = [group for key in ("group_id", "name") for group in groups if group[key] == wanted]
    if not found:
        refuse(f"There is no tag group {wanted!r}: see siyu tags groups list.")
    return found[0]


def signed(put_on: list[str], take_off: list[str], names: dict[str, str]) -> str:
    """`+VIP -新客` of tag ids."""
    marks = [("+", tag_id) for tag_id in put_on] + [("-", tag_id) for tag_id in take_off]
    return " ".join(f"{mark}{names.get(tag_id, tag_id)}" for mark, tag_id in marks)


def made_by(tag: dict[str, Any]) -> str:
    """Who made a tag or group, as far as WeCom has let us know."""
    return {True: "this app", False: "others", None: "?"}[tag["made_by_us"]]
