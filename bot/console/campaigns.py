"""Campaigns: which there are, how each stands and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot import campaigns, comparisons
from bot.console import campaign_words as words
from bot.console.asks import Ask
from bot.console.streams import Painted
from data.models import Campaign, Run, RunStatus
from data.queries import boards as board_rows
from data.queries import campaign_views as rows
from data.queries import campaigns as campaign_rows
from data.queries import staff as staff_rows
from data.queries.campaign_views import Sight
from data.rules import comparisons as comparison_rules
from data.rules.campaign_states import CampaignState, state_of
from data.rules.campaigns import ACTS, Act

PATH = "/console/campaigns"
ROWS = 30
#: Runs that a campaign's page shows, the newest first.
RUNS = 30
#: So few of the staff are all shown at once, without a department being chosen.
BOARD_OPEN = 40


async def show_list(ask: Ask) -> web.Response:
    """All that the reader sees, by state."""
    asked = ask.request.query.get("state", "")
    state = CampaignState(asked) if asked in words.STATES else None
    told, older = await ask.db.read(_read_list, ask.account, ask.asked_number("before"), state)
    return ask.show("campaigns", campaigns=told, older=older, state=state or "", words=words, names=await names_of(ask))


def _read_list(session: Session, account: Any, before: int | None, state: CampaignState | None) -> Any:
    sight = rows.read_sight(session, account)
    found = rows.list_seen(session, sight, ROWS + 1, before, state)
    stands = rows.map_stands(session, [each.id or 0 for each in found[:ROWS]])
    told = [(each, *_standing(each, stands)) for each in campaigns.tell(session, found[:ROWS], runs=False)]
    return told, found[ROWS - 1].id if len(found) > ROWS else None


def _standing(told: campaigns.Told, known: Mapping[int, rows.Stands]) -> tuple[CampaignState, rows.Stands]:
    stands = known.get(told.campaign.id or 0) or rows.Stands(frozenset(), 0, None, 0)
    approval = told.approval.status if told.approval else None
    return state_of(stands.open_runs, started=stands.runs > 0, approval=approval), stands


@dataclass(frozen=True)
class Whole:
    """A campaign as its reader sees it. `mine`: they may act on it; then its numbers are those of all customers."""

    told: campaigns.Told
    sight: Sight
    state: CampaignState
    stands: rows.Stands
    results: Mapping[int, Mapping[str, Any]]
    resting: Sequence[Any]

    @property
    def campaign(self) -> Campaign:
        return self.told.campaign

    @property
    def mine(self) -> bool:
        return self.sight.made(self.campaign)

    @property
    def runs(self) -> Sequence[Run]:
        """The newest first."""
        return list(reversed(self.told.runs))[:RUNS]

    @property
    def is_over(self) -> bool:
        return self.state is CampaignState.OVER

    def may(self, act: str) -> bool:
        """Whether there is something to pause, resume or cancel."""
        return self.mine and any(run.ended_at is None and run.status in ACTS[Act(act)] for run in self.told.runs)

    @property
    def is_to_come(self) -> bool:
        """Whether something of it has yet to begin."""
        return not self.told.runs or any(run.started_at is None and run.ended_at is None for run in self.told.runs)

    @property
    def has_begun(self) -> bool:
        """Whether anybody may have received something."""
        return any(run.started_at is not None for run in self.told.runs)

    @property
    def wants_reminding(self) -> bool:
        going = (RunStatus.SENDING, RunStatus.AWAITING, RunStatus.PAUSED)
        return any(run.status in going and run.ended_at is None for run in self.told.runs)

    def run_of(self, wave_id: int | None) -> list[Run]:
        return [run for run in self.told.runs if run.wave_id == wave_id]


def read_whole(session: Session, account: Any, campaign_id: int) -> Whole:
    """One campaign for its page. Raises NotFoundError."""
    sight = rows.read_sight(session, account)
    told = campaigns.tell(session, [rows.get_seen(session, sight, campaign_id)])[0]
    state, stands = _standing(told, rows.map_stands(session, [campaign_id]))
    results = _read_results(session, sight, told)
    resting = rows.list_resting(session, campaign_id, 20, sight)
    return Whole(told, sight, state, stands, results, resting)


def _read_results(session: Session, sight: Sight, told: campaigns.Told) -> dict[int, dict[str, Any]]:
    """What became of the newest runs: of those who act on it all, of others the customers whom they see."""
    campaign_id = told.campaign.id or 0
    if sight.userids is None or sight.made(told.campaign):
        whole = campaigns.read_results(session, campaign_id, RUNS)
        return {
            each["run_id"]: {**each, "tasks": sum(each["batches"].values()), "confirmed": each["batches_confirmed"]}
            for each in whole
        }
    run_ids = [run.id or 0 for run in told.runs][-RUNS:]
    counted = rows.count_seen_results(session, run_ids, sight.userids)
    found: dict[int, dict[str, Any]] = {}
    for run_id in run_ids:
        mine = counted.get(run_id, _NOTHING)
        waiting = mine["recipients"] - sum(mine[name] for name in campaigns.RESULTS)
        found[run_id] = {**mine, "waiting": waiting, "moments": None, "clicked": None, "left_out": {}}
    return found


_NOTHING = dict.fromkeys(("tasks", "confirmed", *rows.SUMS), 0)


async def show_one(ask: Ask) -> web.Response:
    """One campaign."""
    return await show_page(ask, ask.path_number())


async def show_page(ask: Ask, campaign_id: int, status: int = 200, *, fault: str = "", offer: str = "") -> web.Response:
    """The page of a campaign, with what went wrong; `offer`: what may be done about it."""
    whole = await ask.db.read(read_whole, ask.account, campaign_id)
    compared = await ask.db.read(comparisons.list_wave_comparisons, campaign_id, comparison_rules.DAYS, ask.now)
    parent = whole.campaign.test_of
    return ask.show(
        "campaign", status, whole=whole, words=words, names=await names_of(ask), fault=fault, offer=offer,
        compared={each["wave_id"]: each for each in compared} if whole.mine else {}, ahead=_ahead(ask, whole),
        timing=lambda wave: words.timing_words(ask, campaign_rows.timing_of(wave), partial(_when, ask)),
        audience=lambda wave: words.audience_words(ask, wave.kind, wave.audience), parent=parent,
        is_test=parent is not None,
        needs_approval=ask.settings.approval.above,
    )  # fmt: skip


def _when(ask: Ask, at: Any) -> str:
    from bot.console.painting import moment

    return moment(at, zone=ask.zone)


def _ahead(ask: Ask, whole: Whole) -> dict[int, list[Any]]:
    """When each wave is sent next: as its runs say once it was started, else as if it were started now."""
    found: dict[int, list[Any]] = {}
    for wave in whole.told.waves:
        timing = campaign_rows.timing_of(wave)
        mine = whole.run_of(wave.id)
        if not mine:
            found[wave.id or 0] = words.next_runs(ask, timing, ask.now) if timing.repeats or timing.at else []
            continue
        dues = [run.due_at for run in mine if run.started_at is None and run.ended_at is None]
        later = words.next_runs(ask, timing, max(dues)) if dues and timing.repeats else []
        found[wave.id or 0] = sorted([*dues, *later])[: words.NEXT]
    return found


async def follow(ask: Ask) -> web.StreamResponse:
    """Its numbers as they change."""
    campaign_id = ask.path_number()
    await ask.db.read(read_whole, ask.account, campaign_id)

    async def paint() -> Painted:
        whole = await ask.db.read(read_whole, ask.account, campaign_id)
        return Painted(ask.show("campaign_stream", whole=whole, words=words).text or "", whole.is_over)

    return await ask.parts.streams.follow(ask, paint)


async def show_board(ask: Ask) -> web.Response:
    """Who of the staff has confirmed and who has yet to: by department, and one department's members."""
    campaign_id, chosen = ask.path_number(), ask.asked_number("department")
    campaign, board = await ask.db.read(_read_board, ask.account, campaign_id)
    departments: dict[int, list[Any]] = {}
    for row in board:
        departments.setdefault(row.department_id, []).append(row)
    return ask.show(
        "campaign_board", campaign=campaign, departments=departments, chosen=chosen, total=_total,
        alone=len(departments) == 1 or len(board) <= BOARD_OPEN,
    )  # fmt: skip


def _read_board(session: Session, account: Any, campaign_id: int) -> tuple[Campaign, list[board_rows.BoardRow]]:
    sight = rows.read_sight(session, account)
    campaign = rows.get_seen(session, sight, campaign_id)
    return campaign, board_rows.read_board(session, campaign_id, sight.userids)


def _total(board: Sequence[board_rows.BoardRow]) -> dict[str, int]:
    names = ("tasks", "confirmed", "recipients", "sent", "not_sent", "groups", "groups_sent", "posts", "published",
             "posts_waiting")  # fmt: skip
    return {name: sum(getattr(row, name) for row in board) for name in names} | {
        "members": len(board), "done": sum(row.is_done for row in board),
    }  # fmt: skip


async def names_of(ask: Ask) -> Any:
    """What whoever did something is called: `names(userid or @login)`."""
    places = await ask.db.read(staff_rows.map_places)

    def name(who: str) -> str:
        if who == "command":
            return ask._("命令行")
        found = places.get(who)
        return (found.name if found else "") or who.removeprefix("@")

    return name
