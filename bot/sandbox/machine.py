"""The parts of one local WeCom, put together once and passed around."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from bot.sandbox.callbacks import Callbacks
from bot.sandbox.calls import CallLog
from bot.sandbox.faults import Faults
from bot.sandbox.group_acts import GroupActs
from bot.sandbox.group_send_acts import GroupSendActs
from bot.sandbox.kf_acts import KfActs
from bot.sandbox.limits import Limits
from bot.sandbox.logins import Logins
from bot.sandbox.moment_acts import MomentActs
from bot.sandbox.people import People
from bot.sandbox.settings import Settings
from bot.sandbox.staff_acts import StaffActs
from bot.sandbox.staff_behaviour import Behaviour, StaffBehaviour
from bot.sandbox.staff_messages import StaffMessages
from bot.sandbox.tokens import Tokens
from bot.sandbox.world import World


@dataclass(slots=True)
class Machine:
    """Everything that serves one world."""

    world: World
    tokens: Tokens
    limits: Limits
    faults: Faults
    callbacks: Callbacks
    logins: Logins
    people: People
    group_acts: GroupActs
    group_send_acts: GroupSendActs
    staff_behaviour: StaffBehaviour
    moment_acts: MomentActs
    kf_acts: KfActs
    staff_acts: StaffActs
    staff_messages: StaffMessages
    settings: Settings = field(default_factory=Settings)
    calls: CallLog = field(default_factory=CallLog)
    #: Pages whose signature was checked, by member and address, with what they may ask WeCom's client for.
    signed_pages: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    @classmethod
    def build(cls, world: World) -> Machine:
        faults = Faults(world.random("faults"))
        callbacks = Callbacks(world, faults)
        settings = Settings()
        group_send_acts, moment_acts = GroupSendActs(world, settings), MomentActs(world)
        return cls(
            world=world,
            tokens=Tokens(world.random("tokens")),
            limits=Limits(),
            faults=faults,
            callbacks=callbacks,
            logins=Logins(world.random("logins")),
            people=People(world, callbacks, settings),
            group_acts=GroupActs(world, callbacks),
            group_send_acts=group_send_acts,
            staff_behaviour=StaffBehaviour(world, group_send_acts, moment_acts, settings),
            moment_acts=moment_acts,
            kf_acts=KfActs(world, callbacks),
            staff_acts=StaffActs(world, callbacks),
            staff_messages=StaffMessages(world.random("messages")),
            settings=settings,
        )

    def reset(self) -> None:
        """Back to the beginning: world, tokens, limits' counts, faults, calls. Callback deliveries under way go on."""
        self.world.reset()
        self.tokens.clear()
        self.limits.clear()
        self.faults.clear()
        self.calls.clear()
        self.signed_pages.clear()
        self.staff_messages = StaffMessages(self.world.random("messages"))
        self.group_send_acts = GroupSendActs(self.world, self.settings)
        self.staff_behaviour = StaffBehaviour(self.world, self.group_send_acts, self.moment_acts, self.settings)

    @property
    def due_at(self) -> float:
        """When something happens by itself next, epoch seconds."""
        return min(self.people.due_at, self.staff_behaviour.due_at)

    def settle(self) -> None:
        """Carry out what has become due."""
        self.people.settle()
        self.staff_behaviour.settle()

    def behave(self, behaviour: Behaviour) -> None:
        """Have members confirm group-sends and publish Moments by themselves."""
        self.settings.staff_confirm_share = behaviour.share
        self.settings.staff_confirm_half_seconds = behaviour.half_seconds
        self.staff_behaviour.plan_anew()


MACHINE: web.AppKey[Machine] = web.AppKey("machine", Machine)
