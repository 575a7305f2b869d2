"""What people do with their phones and in WeCom's admin pages, and the events that WeCom sends about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from bot.sandbox.callbacks import Callbacks
from bot.sandbox.errors import NotFoundError, WorldError
from bot.sandbox.events import contact_event, event_xml, tag_event
from bot.sandbox.link_acts import LinkActs
from bot.sandbox.records import LISTED, ContactWay, Customer, Follow, Member, TagGroup, Transfer
from bot.sandbox.settings import Settings
from bot.sandbox.transfers import Transfers
from bot.sandbox.world import World

#: auto: by the code's skip_verify; request: the member must accept first; half: added, not yet confirmed by the member;
#: direct: one event, mutual at once; half_then_add / add_then_half: both events at once, in that order.
Flow = Literal["auto", "request", "half", "direct", "half_then_add", "add_then_half"]
#: auto: every event until a welcome was sent; first: only the first event; always: even in a running chat; never.
Codes = Literal["auto", "first", "always", "never"]


@dataclass(slots=True)
class Added:
    """What came of an add."""

    follow: Follow
    customer: Customer
    #: already: they were in contact; otherwise the friendship that resulted.
    outcome: str
    #: The welcome codes of the sample company's own app, one per event that carried one.
    welcome_codes: list[str] = field(default_factory=list)


class People:
    """Acts on the world and tells the apps. Raises WorldError for what cannot be done."""

    def __init__(self, world: World, callbacks: Callbacks, settings: Settings) -> None:
        self.world, self.callbacks, self.settings = world, callbacks, settings
        self._turn = 0
        self.transfers = Transfers(world, self, settings)
        self.links = LinkActs(world, self, callbacks)

    @property
    def due_at(self) -> float:
        """When the next transfer takes effect, epoch seconds."""
        return self.transfers.due_at

    def settle(self) -> None:
        """Carry out what has become due."""
        self.transfers.settle()

    # -- adding

    def scan(
        self,
        *,
        config_id: str = "",
        state: str = "",
        userid: str = "",
        external_userid: str = "",
        name: str = "",
        gender: int = 0,
        flow: Flow = "auto",
        codes: Codes = "auto",
    ) -> Added:
        """A customer scans a channel code, named by `config_id` or `state` (or a member's own code, by `userid` alone).

        Without `external_userid` it is somebody new, called `name`.
        """
        way = self._way(config_id, state, userid)
        member = self._receiver(way, userid, external_userid)
        customer = (
            self.world.customers.get(external_userid)
            if external_userid
            else self.world.customers.create(name, gender=gender)
        )
        if flow == "auto":
            flow = "direct" if way is None or way.skip_verify else "request"
        return self._add(member, customer, flow, codes, 1, customer.external_userid, way.state if way else "")

    def add(
        self,
        userid: str,
        *,
        external_userid: str = "",
        name: str = "",
        add_way: int = 2,
        by_staff: bool = True,
        type_: int = 1,
        flow: Flow = "direct",
        codes: Codes = "auto",
        state: str = "",
    ) -> Added:
        """A member and a customer become contacts in another way than by a channel code."""
        member = self.world.directory.get(userid)
        customer = (
            self.world.customers.get(external_userid) if external_userid else self.world.customers.create(name, type_)
        )
        if flow == "auto":
            flow = "direct"
        if by_staff and customer.type == 2:
            codes = "never"  # a card was exchanged already: WeCom gives no code
        oper = member.userid if by_staff else customer.external_userid
        return self._add(member, customer, flow, codes, add_way, oper, state)

    def confirm(self, userid: str, external_userid: str, codes: Codes = "auto") -> Added:
        """The member accepts a request, or confirms a customer who was added by a code without verification."""
        follow = self.follow(userid, external_userid, "requested", "half")
        first = follow.friendship == "requested"
        follow.friendship = "mutual"
        added = Added(follow, self.world.customers.get(external_userid), "mutual")
        self._keep(follow, fresh=first)
        self._tell(added, "add_external_contact", codes, first=first)
        return added

    def _add(
        self, member: Member, customer: Customer, flow: Flow, codes: Codes, add_way: int, oper: str, state: str
    ) -> Added:
        if member.status != 1:
            raise WorldError(f"{member.userid} is not an active member and cannot be added.")
        before = self.world.customers.find_follow(member.userid, customer.external_userid)
        if before is not None and before.friendship in ("mutual", "half", "requested"):
            return Added(before, customer, "already" if before.friendship == "mutual" else before.friendship)
        follow = Follow(
            member.userid, customer.external_userid, "mutual", self.world.now, remark=customer.name, add_way=add_way,
            oper_userid=oper, state=state, deleted_at=before.deleted_at if before else 0,
        )  # fmt: skip
        if before is not None and before.friendship == "left":  # the member kept the contact, with remark and tags
            follow.remark, follow.description, follow.tag_ids = before.remark, before.description, before.tag_ids
            follow.remark_mobiles, follow.remark_corp_name = before.remark_mobiles, before.remark_corp_name
            follow.personal_tags = before.personal_tags
        follow.friendship = "requested" if flow == "request" else "half" if flow == "half" else "mutual"
        added = Added(follow, customer, follow.friendship)
        self._keep(follow, fresh=True)
        events = {
            "request": (),
            "half": ("add_half_external_contact",),
            "half_then_add": ("add_half_external_contact", "add_external_contact"),
            "add_then_half": ("add_external_contact", "add_half_external_contact"),
        }.get(flow, ("add_external_contact",))
        for place, event in enumerate(events):
            self._tell(added, event, codes, first=place == 0)
        return added

    def _tell(self, added: Added, change_type: str, codes: Codes, *, first: bool) -> None:
        """Send one of the add events to every app that hears of it, each with a code of its own."""
        follow = added.follow
        member = self.world.directory.get(follow.userid)
        wanted = codes == "always" or (
            codes != "never" and not follow.chatting and not member.admin_welcome and (first or codes == "auto")
        )
        for app in self.world.apps.values():
            if not (app.customer_contact and self.world.directory.serves(app, member)):
                continue
            code = ""
            if wanted and (app.callback_url or app is self.world.app):
                now = self.world.clock.timestamp()
                code = self.world.welcome_codes.issue(follow.userid, follow.external_userid, app.agentid, now)
                if app is self.world.app:
                    added.welcome_codes.append(code)
            if app.change_callback:
                fields = contact_event(
                    change_type, follow.userid, follow.external_userid, State=follow.state, WelcomeCode=code
                )
                plaintext = event_xml(self.world.company.corpid, "sys", self.world.now, fields)
                self.callbacks.send(app, plaintext, follow.external_userid)

    def hand_over(self, handover: str, takeover: str, external_userid: str, *, at_once: bool) -> Transfer:
        """An admin gives a member's customer to another, in the admin pages."""
        giver, taker = self.world.directory.get(handover), self.world.directory.get(takeover)
        self.follow(giver.userid, external_userid, *LISTED)
        if giver is taker or taker.status != 1 or not taker.customer_contact:
            raise WorldError(f"{takeover} cannot take over customers of {handover}.")
        if self.transfers.find_waiting(external_userid) is not None:
            raise WorldError(f"A transfer of {external_userid} is waiting already.")
        transfer = self.transfers.start(giver.userid, taker.userid, external_userid, giver.status == 5)
        if at_once:
            transfer.takeover_time = self.world.now
            self.transfers.settle()
        return transfer

    def inherit(self, follow: Follow, *, announce: bool) -> None:
        """A customer comes to a member by transfer; not announced when the two knew each other before."""
        added = Added(follow, self.world.customers.get(follow.external_userid), "mutual")
        self._keep(follow, fresh=True)
        if announce:
            self._tell(added, "add_external_contact", "auto", first=True)

    # -- what happens to a contact

    def delete_by_staff(self, userid: str, external_userid: str, source: str = "") -> Follow:
        """The member deletes the customer."""
        follow = self.follow(userid, external_userid, "mutual", "left", "half", "requested")
        told = follow.friendship != "requested"
        follow.friendship, follow.tag_ids, follow.personal_tags = "gone", [], []
        self._keep(follow)
        if told:
            self.tell_contact("del_external_contact", userid, external_userid, Source=source)
        return follow

    def delete_by_customer(self, userid: str, external_userid: str) -> Follow:
        """The customer deletes (or blocks) the member: WeCom goes on listing the customer."""
        follow = self.follow(userid, external_userid, "mutual", "half")
        follow.friendship = "left" if follow.friendship == "mutual" else "gone"
        follow.deleted_at = self.world.now
        self._keep(follow)
        self.tell_contact("del_follow_user", userid, external_userid)
        return follow

    def edit(
        self,
        userid: str,
        external_userid: str,
        *,
        remark: str | None = None,
        description: str | None = None,
        mobiles: list[str] | None = None,
        add_tags: list[str] | None = None,
        remove_tags: list[str] | None = None,
        personal_tags: list[str] | None = None,
    ) -> Follow:
        """The member edits remark, phone numbers or tags on the phone."""
        follow = self.follow(userid, external_userid, *LISTED)
        for tag_id in add_tags or []:
            if self.world.tags.find(tag_id) is None:
                raise NotFoundError(f"There is no tag {tag_id!r}.", "GET /sandbox/tags lists them.")
        follow.remark = follow.remark if remark is None else remark
        follow.description = follow.description if description is None else description
        follow.remark_mobiles = follow.remark_mobiles if mobiles is None else mobiles
        follow.personal_tags = follow.personal_tags if personal_tags is None else personal_tags
        kept = [tag_id for tag_id in follow.tag_ids if tag_id not in (remove_tags or [])]
        follow.tag_ids = kept + [tag_id for tag_id in add_tags or [] if tag_id not in kept]
        self._keep(follow)
        only_mobiles = remark is None and add_tags is None and remove_tags is None and personal_tags is None
        if not only_mobiles or (mobiles is not None and self.settings.edit_event_for_mobiles):
            self.tell_contact("edit_external_contact", userid, external_userid)
        return follow

    def write(self, userid: str, external_userid: str, sender: Literal["staff", "customer"], text: str) -> None:
        """One of the two writes to the other: no app ever hears of it, but no welcome can be sent any more."""
        self.send(userid, external_userid, "text", {"content": text}, sender)

    def send(
        self,
        userid: str,
        external_userid: str,
        msgtype: str,
        content: dict[str, Any],
        sender: Literal["staff", "customer"] = "staff",
    ) -> None:
        """The same with a message of any kind."""
        follow = self.follow(userid, external_userid, "mutual", "half")
        if not follow.chatting:
            follow.chatting = True
            self._keep(follow)
        message = self.world.chats.write(
            userid, external_userid, sender, "chat", msgtype, content, self.world.clock.timestamp()
        )
        self.world.changes.note("message.sent", userid=userid, external_userid=external_userid, seq=message.seq)
        if sender == "customer":
            self.links.note_written(userid, external_userid)

    # -- tags, as an admin changes them

    def tell_tags(self, change_type: str, id_: str, tag_type: str) -> None:
        """Report a change of the corp tags to every app that may see customers."""
        self.world.changes.note("tags.changed", id=id_, change=change_type)
        for app in self.world.apps.values():
            if app.customer_contact and app.change_callback:
                fields = tag_event(change_type, id_, tag_type)
                plaintext = event_xml(self.world.company.corpid, "sys", self.world.now, fields)
                self.callbacks.send(app, plaintext, f"tag:{id_}")

    def add_tags(self, group_name: str, names: list[str]) -> TagGroup:
        """An admin adds tags to a group, which is made when there is none of that name."""
        group = self.world.tags.find_group(group_name)
        made, tags, fresh = self.world.tags.add(group, group_name, 0, [(name, 0) for name in names], self.world.now, 0)
        if fresh:
            self.tell_tags("create", made.group_id, "tag_group")
        for tag in tags:
            self.tell_tags("create", tag.id, "tag")
        return made

    def rename_tag(self, id_: str, name: str) -> None:
        """An admin renames a tag or a group."""
        self.tell_tags("update", id_, self.world.tags.rename(id_, name, None))

    def delete_tags(self, tag_ids: list[str], group_ids: list[str]) -> None:
        """An admin deletes tags and groups. A deleted group is one event, not one per tag."""
        tags, groups = self.world.tags.delete(tag_ids, group_ids)
        self.world.customers.forget_tags(tags)
        for group_id in groups:
            self.tell_tags("delete", group_id, "tag_group")
        for tag_id in tag_ids:
            self.tell_tags("delete", tag_id, "tag")

    def shuffle_tags(self, group_id: str) -> None:
        """An admin reorders a group's tags ("": the groups)."""
        self.tell_tags("shuffle", group_id, "")

    # -- shared

    def follow(self, userid: str, external_userid: str, *states: str) -> Follow:
        """The follow, which must be in one of the states. Raises NotFoundError, WorldError."""
        member = self.world.directory.get(userid)
        self.world.customers.get(external_userid)
        follow = self.world.customers.find_follow(member.userid, external_userid)
        if follow is None or follow.friendship not in states:
            stands = "never met" if follow is None else f"stand as {follow.friendship!r}"
            raise WorldError(f"{userid} and {external_userid} {stands}; this needs {' or '.join(sorted(states))}.")
        return follow

    def tell_contact(self, change_type: str, userid: str, external_userid: str, **optional: str) -> None:
        """Report a change of a contact to every app that serves the member."""
        member = self.world.directory.get(userid)
        for app in self.world.apps.values():
            if app.customer_contact and app.change_callback and self.world.directory.serves(app, member):
                fields = contact_event(change_type, member.userid, external_userid, **optional)
                plaintext = event_xml(self.world.company.corpid, "sys", self.world.now, fields)
                self.callbacks.send(app, plaintext, external_userid)

    def _keep(self, follow: Follow, *, fresh: bool = False) -> None:
        self.world.customers.put_follow(follow)
        if fresh and follow.friendship != "requested":
            self.world.chats.write(
                follow.userid, follow.external_userid, "system", "notice", "text",
                {"content": "你们已成为联系人，现在可以开始聊天了。"}, self.world.clock.timestamp(),
            )  # fmt: skip
        self.world.changes.note(
            "follow.changed", userid=follow.userid, external_userid=follow.external_userid, friendship=follow.friendship
        )

    def _way(self, config_id: str, state: str, userid: str) -> ContactWay | None:
        if config_id:
            way = self.world.ways.contact.get(config_id)
        elif state:
            way = self.world.ways.by_state(state)
        elif userid:
            return None
        else:
            raise WorldError("A scan names a channel (config_id or state) or a member (userid).")
        if way is None:
            raise NotFoundError(f"There is no channel {config_id or state!r}.", "GET /sandbox/channels lists them.")
        return way

    def _receiver(self, way: ContactWay | None, userid: str, external_userid: str) -> Member:
        directory = self.world.directory
        if way is None or userid:
            return directory.get(userid)
        parties = {department.id for party in way.party for department in directory.below(party)}
        members = [member for member in directory if member.userid in way.user or parties & set(member.department)]
        usable = [member for member in members if member.status == 1 and member.customer_contact]
        if not usable:
            raise WorldError("Nobody behind this channel can be added any more.", "Give it other members.")
        for member in usable if external_userid else ():  # somebody who has one of them meets the same one again
            if self.world.customers.find_follow(member.userid, external_userid) is not None:
                return member
        self._turn += 1
        return usable[self._turn % len(usable)]
