"""What customers do with customer-acquisition links (获客链接), and the events that WeCom sends about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.sandbox.callbacks import Callbacks
from bot.sandbox.errors import WorldError
from bot.sandbox.events import Field, event_xml
from bot.sandbox.population import token_of
from bot.sandbox.records import AcquisitionLink, LinkCustomer, LinkQuota
from bot.sandbox.statistics import midnight_of
from bot.sandbox.world import World

if TYPE_CHECKING:
    from bot.sandbox.people import Added, Codes, Flow, People

#: WeCom tells that so few are left, and of these messages of a customer.
LOW, TOLD_MESSAGES = 20, (3, 5, 10)
#: A ChatKey is good for so long; a channel parameter is cut at so many bytes.
CHAT_KEY_SECONDS, CHANNEL_BYTES = 1800, 64


class LinkActs:
    """What customers do with links, and the events of it."""

    def __init__(self, world: World, people: People, callbacks: Callbacks) -> None:
        self.world, self.people, self.callbacks = world, people, callbacks
        #: By ChatKey: link, customer, messages so far, until when it is good.
        self.chat_keys: dict[str, tuple[str, LinkCustomer, int, float]] = {}

    def open(
        self,
        link_id: str,
        *,
        customer_channel: str = "",
        external_userid: str = "",
        name: str = "",
        codes: Codes = "auto",
        adds: bool = True,
    ) -> Added | None:
        """A customer opens a link and, if they like (`adds`), adds the member whom WeCom shows.

        Raises WorldError when nobody can be added by it any more.
        """
        link, world = self.world.links.get(link_id), self.world
        state = customer_channel.encode()[:CHANNEL_BYTES].decode(errors="ignore")
        day = str(midnight_of(world.now))
        link.clicks[day] = link.clicks.get(day, 0) + 1
        world.links.put(link)
        if not adds:
            return None
        if world.links.quota.balance <= 0 or world.links.quota.expires_at <= world.now:
            raise WorldError("The company's quota of customers by links is used up.", "POST /sandbox/links/quota")
        member = self._receiver(link, external_userid)
        customer = world.customers.get(external_userid) if external_userid else world.customers.create(name)
        flow: Flow = "direct" if link.skip_verify else "request"
        added = self.people.add(
            member, external_userid=customer.external_userid, add_way=16, by_staff=False, flow=flow, codes=codes,
            state=state,
        )  # fmt: skip
        if added.outcome != "already":
            link.customers.append(LinkCustomer(member, customer.external_userid, state, world.now))
            world.links.put(link)
            self.tell("friend_request", LinkId=link_id, State=state)
            self._use_one()
        return added

    def _receiver(self, link: AcquisitionLink, external_userid: str) -> str:
        directory = self.world.directory
        parties = {each.id for party in link.department_list for each in directory.below(party)}
        members = [each for each in directory if each.userid in link.user_list or parties & set(each.department)]
        usable = [each.userid for each in members if each.status == 1 and each.customer_contact]
        if not usable:
            self.tell("link_unavailable", LinkId=link.link_id)
            raise WorldError("Nobody behind this link can be added any more.", "Give it other members.")
        for userid in usable if external_userid else ():
            if self.world.customers.find_follow(userid, external_userid) is not None:
                return userid
        return usable[len(link.customers) % len(usable)]

    def _use_one(self) -> None:
        quota = self.world.links.quota
        self.set_quota(quota.total, quota.balance - 1, quota.expires_at)

    def set_quota(self, total: int, balance: int, expires_at: int) -> None:
        """So many may be added from now on; what WeCom tells of that is told."""
        before = self.world.links.quota.balance
        self.world.links.put_quota(LinkQuota(total, balance, expires_at))
        if balance <= 0 < before:
            self.tell("balance_exhausted")
        elif balance < LOW <= before:
            self.tell("balance_low")
        elif before <= 0 < balance:
            self.tell("balance_increased")

    def delete(self, link_id: str) -> None:
        """An admin deletes a link in the admin pages."""
        link = self.world.links.get(link_id)
        link.deleted = True
        self.world.links.put(link)
        self.world.changes.note("channel.changed", config_id=link_id)
        self.tell("delete_link", LinkId=link_id)

    def note_written(self, userid: str, external_userid: str) -> None:
        """A customer has written to a member: WeCom tells of it if they came by a link."""
        found = self.world.links.with_customer(userid, external_userid)
        if found is None:
            return
        link, customer = found
        customer.messages += 1
        self.world.links.put(link)
        if customer.messages == 1:
            pair = {"UserID": userid, "ExternalUserID": external_userid}
            self.tell("customer_start_chat", external_userid, **pair, LinkId=link.link_id)
        elif customer.messages in TOLD_MESSAGES:
            key = token_of("chat_key", external_userid, userid, customer.messages)
            self.chat_keys[key] = (link.link_id, customer, customer.messages, self.world.now + CHAT_KEY_SECONDS)
            self.tell("message_from_customer", external_userid, LinkId=link.link_id, ChatKey=key)

    def tell(self, change_type: str, subject: str = "", **values: str) -> str:
        """Send an event of 获客助手 to every app that may see customers; its plaintext."""
        head: list[Field] = [("MsgType", "event"), ("Event", "customer_acquisition"), ("ChangeType", change_type)]
        fields = head + [(name, value) for name, value in values.items() if value]
        plaintext = event_xml(self.world.company.corpid, "sys", self.world.now, fields)
        for app in self.world.apps.values():
            if app.customer_contact and app.change_callback:
                self.callbacks.send(app, plaintext, subject or f"link:{values.get('LinkId', '')}")
        return plaintext
