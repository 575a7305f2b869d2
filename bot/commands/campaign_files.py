"""`siyu campaigns create`, `edit`, `export`, `copy` and `words`: campaigns written in files."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.terminal import Config, Workplace, refuse, say, say_json, work, work_with_wecom

if TYPE_CHECKING:
    from bot.campaigns import Told
    from bot.context import Context
    from data.models import Run

#: A definition with two full lists of 5,000 customers has half of that.
FILE_BYTES_MAX = 4 * 1024 * 1024

CampaignId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The campaign's number.")]
File = Annotated[
    Path, typer.Argument(metavar="FILE", help="JSON, or TOML if it ends so; - reads JSON from standard input.")
]


def create(file: File, config: Config = None) -> None:
    """Make a campaign of a file, such as `export` writes; nothing is sent before it is started."""

    async def action(ctx: Context) -> Told:
        from bot import campaign_edits, campaigns
        from data.rules.campaigns import CampaignDraft
        from data.rules.problems import parse

        draft = parse(CampaignDraft, campaign_edits.anew(read_definition(file)))
        made = await campaigns.make_campaign(ctx, draft, "command")
        return await ctx.db.read(campaigns.read_campaign, made.id or 0)

    _say_made(work_with_wecom(config, action))


def edit(campaign_id: CampaignId, file: File, config: Config = None) -> None:
    """Change one that was not started: the file has the `version` that was read, and what is to be another."""

    async def action(ctx: Context) -> Told:
        from bot import campaign_edits

        return await campaign_edits.change_campaign(ctx, campaign_id, read_definition(file))

    told = work_with_wecom(config, action)
    say(f"Campaign {told.campaign.id} {told.campaign.name} is at version {told.campaign.version}.")


def export(campaign_id: CampaignId, config: Config = None) -> None:
    """The definition of one as JSON, for `edit` and `create`."""

    async def read(place: Workplace) -> dict[str, Any]:
        from bot import campaign_edits

        return await place.db.read(campaign_edits.export_campaign, campaign_id)

    say_json(work(config, read))


def copy(
    campaign_id: CampaignId,
    name: Annotated[str | None, typer.Option("--name", help="Another name.")] = None,
    config: Config = None,
) -> None:
    """Make one like another that is started anew; a time that has passed is left out."""

    async def action(ctx: Context) -> Told:
        from bot import campaign_edits

        return await campaign_edits.copy_campaign(ctx, campaign_id, "command", name)

    _say_made(work_with_wecom(config, action))


def words(
    run_id: Annotated[int, typer.Argument(metavar="RUN", min=1, help="The run's number: show tells it.")],
    file: File,
    config: Config = None,
) -> None:
    """Write what a sending says that has not begun: the file holds a `content` such as waves have."""

    async def action(ctx: Context) -> Run:
        from bot import campaigns

        content = await campaigns.parse_words(ctx, run_id, read_definition(file))
        return await campaigns.write_words(ctx, run_id, content)

    run = work_with_wecom(config, action)
    say(f"Run {run.id} is {run.status}; what was approved of campaign {run.campaign_id} before is void.")


def _say_made(told: Told) -> None:
    say(f"Campaign {told.campaign.id} {told.campaign.name} is made: siyu campaigns preview {told.campaign.id}")


def read_definition(file: Path) -> dict[str, Any]:
    """The object that a file holds. Refuses what is not one."""
    try:
        raw = sys.stdin.buffer.read(FILE_BYTES_MAX + 1) if str(file) == "-" else _read(file)
        text = raw.decode("utf-8-sig")
        found = tomllib.loads(text) if file.suffix.lower() == ".toml" else json.loads(text)
    except OSError as error:
        refuse(f"{file} cannot be read ({error.strerror}).")
    except UnicodeDecodeError:
        refuse(f"{file} is not UTF-8: save it as UTF-8 and try again.")
    except (ValueError, RecursionError) as error:
        refuse(f"{file} is not {'TOML' if file.suffix.lower() == '.toml' else 'JSON'}: {error}.")
    if not isinstance(found, dict):
        refuse(f"{file} is not a JSON object.")
    return found


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        raw = opened.read(FILE_BYTES_MAX + 1)
    if len(raw) > FILE_BYTES_MAX:
        refuse(f"{file} has more than {FILE_BYTES_MAX:,} bytes: a definition is smaller.")
    return raw
