"""The sample company as a whole: who is in it, who follows whom, what was said."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

from bot.clock import Clock
from bot.sandbox.cards import Cards
from bot.sandbox.changes import Changes
from bot.sandbox.chats import Chats
from bot.sandbox.customers import Customers
from bot.sandbox.directory import Directory
from bot.sandbox.errors import NotFoundError
from bot.sandbox.group_sends import GroupSends
from bot.sandbox.group_welcomes import GroupWelcomes
from bot.sandbox.groups import Groups, Ways
from bot.sandbox.journal import Journal, MemoryJournal, SqliteJournal
from bot.sandbox.kf import Kf
from bot.sandbox.links import Links
from bot.sandbox.media import MediaStore
from bot.sandbox.moments import Moments
from bot.sandbox.population import DAY_SECONDS, Population
from bot.sandbox.records import App, Payment, Transfer
from bot.sandbox.tags import Tags
from bot.sandbox.welcome_codes import WelcomeCodes

#: WeCom's days begin at midnight in China.
CHINA_SECONDS = 8 * 3600


class World:
    """A company with `staff` members and `customers` customers, the same for the same seed, sizes and day.

    `World(...)` lives in memory; `World.open(path, ...)` keeps what changes in a SQLite file. `reference` is the day
    (epoch seconds) before which everything in the base happened; by default the clock's today.
    """

    def __init__(
        self,
        *,
        staff: int = 8,
        customers: int = 300,
        seed: int = 1,
        clock: Clock | None = None,
        reference: int | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.staff, self.customers_count, self.seed = staff, customers, seed
        self.clock = clock or Clock()
        self.reference = midnight(self.clock) if reference is None else reference
        self.journal = journal or MemoryJournal()
        #: Counts restarts and resets, so that codes, tokens and message ids never come a second time.
        self.run = 0
        if isinstance(self.journal, SqliteJournal):
            self.run = int(self.journal.meta.get("run", "-1")) + 1
            self.journal.set_meta("run", str(self.run))
            self.journal.flush()
        self.changes = Changes()
        self._build()

    @classmethod
    def open(
        cls, path: Path, *, staff: int = 8, customers: int = 300, seed: int = 1, clock: Clock | None = None
    ) -> World:
        """A world kept in `path`, which is made when it is not there; the moved clock is kept with it.

        Raises WorldError when the file holds a company of other sizes or another seed.
        """
        clock = clock or Clock()
        identity = {"staff": str(staff), "customers": str(customers), "seed": str(seed)}
        journal = SqliteJournal(path, identity)
        reference = int(journal.meta.setdefault("reference", str(midnight(clock))))
        journal.set_meta("reference", str(reference))
        journal.flush()
        clock.advance(timedelta(seconds=float(journal.meta.get("clock_offset_seconds", "0"))))
        return cls(staff=staff, customers=customers, seed=seed, clock=clock, reference=reference, journal=journal)

    def _build(self) -> None:
        self.population = Population(
            staff=self.staff, customers=self.customers_count, seed=self.seed, reference=self.reference
        )
        self.company = self.population.company
        default = self.population.app()
        self.apps: dict[int, App] = {default.agentid: default}
        for key, app in self.journal.load("app", App):
            self.apps[int(key)] = app
        self.directory = Directory(self.population, self.journal)
        self.customers = Customers(self.population, self.journal)
        self.tags = Tags(self.population, self.journal)
        known = {tag.id for tag in self.tags}
        self.customers.forget_tags([id_ for tags in self.population.tag_sets for id_ in tags if id_ not in known])
        self.groups = Groups(self.population, self.journal)
        self.ways = Ways(self.population, self.journal)
        self.links = Links(self.journal, self.reference, f"{self.seed}:{self.run}")
        self.group_sends = GroupSends(self.journal, f"{self.seed}:{self.run}")
        self.group_welcomes = GroupWelcomes(self.journal, f"{self.seed}:{self.run}")
        self.moments = Moments(self.journal, f"{self.seed}:{self.run}")
        self.chats = Chats(self.journal, self.group_sends)
        self.cards = Cards(self.journal)
        self.kf = Kf(self.population, self.journal, f"{self.seed}:{self.run}")
        self.media = MediaStore(self.journal, self.seed)
        self.welcome_codes = WelcomeCodes(self.random("codes"))
        self.transfers: dict[str, Transfer] = dict(self.journal.load("transfer", Transfer))
        self._transfers_of: dict[str, dict[str, Transfer]] = {}
        for key, transfer in self.transfers.items():
            self._transfers_of.setdefault(transfer.external_userid, {})[key] = transfer
        self.payments: dict[str, Payment] = dict(self.journal.load("payment", Payment))

    def reset(self) -> None:
        """Forget everything that changed: the company is again as its seed made it. App settings go too."""
        self.run += 1
        if isinstance(self.journal, SqliteJournal):
            self.journal.clear()
            self.journal.set_meta("run", str(self.run))
        else:
            self.journal = MemoryJournal()
        self._build()
        self.changes.note("world.reset")

    def random(self, purpose: str) -> random.Random:
        """Randomness for one purpose: the same for the same seed and run."""
        return random.Random(f"{self.seed}:{self.run}:{purpose}")

    @property
    def now(self) -> int:
        """The present in epoch seconds, whole as WeCom's are."""
        return int(self.clock.timestamp())

    @property
    def app(self) -> App:
        """The sample company's own app."""
        return next(iter(self.apps.values()))

    def get_app(self, agentid: int | None) -> App:
        """An app by its agentid; the sample company's own for None."""
        if agentid is None:
            return self.app
        if agentid not in self.apps:
            raise NotFoundError(f"There is no app {agentid}.", "GET /sandbox/apps lists them.")
        return self.apps[agentid]

    def put_app(self, app: App) -> None:
        self.apps[app.agentid] = app
        self.journal.put("app", str(app.agentid), app)

    def put_transfer(self, transfer: Transfer) -> None:
        key = f"{transfer.handover_userid}|{transfer.external_userid}|{transfer.started_at}"
        self.transfers[key] = transfer
        self._transfers_of.setdefault(transfer.external_userid, {})[key] = transfer
        self.journal.put("transfer", key, transfer)

    def transfers_of(self, external_userid: str) -> list[Transfer]:
        """The transfers of one customer, in the order of their beginning."""
        return list(self._transfers_of.get(external_userid, {}).values())

    def put_payment(self, payment: Payment) -> None:
        self.payments[payment.transaction_id] = payment
        self.journal.put("payment", payment.transaction_id, payment)

    def keep_clock(self) -> None:
        """Keep how far the clock was moved."""
        if isinstance(self.journal, SqliteJournal):
            self.journal.set_meta("clock_offset_seconds", str(self.clock.offset.total_seconds()))

    def close(self) -> None:
        self.changes.close()
        self.journal.close()


def midnight(clock: Clock) -> int:
    """The last midnight in China, epoch seconds."""
    now = int(clock.timestamp())
    return now - (now + CHINA_SECONDS) % DAY_SECONDS
