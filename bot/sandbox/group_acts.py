"""What people do in customer groups, and the change_external_chat events about it (WeCom doc 92130)."""

from __future__ import annotations

from collections.abc import Iterable

from bot.sandbox.callbacks import Callbacks
from bot.sandbox.errors import NotFoundError, WorldError
from bot.sandbox.events import Field, chat_event, event_xml
from bot.sandbox.records import Group, GroupMember, JoinWay
from bot.sandbox.world import World

#: JoinScene of the event by join_scene of groupchat/get: the two count differently.
_EVENT_SCENES = {1: 0, 2: 0, 3: 3}
#: In a group welcome: who has come in.
NICKNAME = "%NICKNAME%"
MAX_GROUPS_OF_A_WAY = 5


class GroupActs:
    """Acts on groups and tells the apps that serve the owner. Raises WorldError for what cannot be done."""

    def __init__(self, world: World, callbacks: Callbacks) -> None:
        self.world, self.callbacks = world, callbacks
        #: With so many a group is full for who scans a code.
        self.members_max = 200

    def create(self, owner: str, name: str, people: list[str]) -> Group:
        """A member opens a group with people (userids and external_userids); no add_member events for these."""
        member = self.world.directory.get(owner)
        now = self.world.now
        members = [GroupMember(member.userid, 1, now, 1, name=member.name)]
        members += [self._person(person, now, 1, member.userid) for person in people if person != member.userid]
        group = self.world.groups.create(name, member.userid, members, now)
        self._tell(group, "create")
        return group

    def join(
        self,
        chat_id: str,
        people: list[str],
        *,
        scene: int = 3,
        invitor: str = "",
        config_id: str = "",
        name: str = "",
    ) -> Group:
        """People come in: `scene` 1 invited, 2 by invite link, 3 by QR code (of a join way, if `config_id`).

        A join way without a `chat_id` leads into the first of its groups that has room; when all are full it opens
        another, if it is to. Without `people` it is a stranger, who is nobody's customer, called `name`.
        """
        if scene not in (1, 2, 3):
            raise WorldError("A scene is 1 (invited), 2 (invite link) or 3 (QR code).")
        if config_id and not chat_id:
            chat_id = self._find_room(config_id).chat_id
        group = self.world.groups.get(chat_id)
        state = self._join_way(config_id, chat_id).state if config_id else ""
        wanted = people or [self.world.customers.create(name).external_userid]
        inside = {member.userid for member in group.members}
        if inside & set(wanted):
            raise WorldError(f"{', '.join(sorted(inside & set(wanted)))} are in the group already.")
        made = [self._person(person, self.world.now, scene, invitor) for person in wanted]
        for member in made:
            member.state = state
        group.members.extend(made)
        self._tell_members(group, "add_member", ("JoinScene", _EVENT_SCENES[scene]), wanted)
        self._greet(group, [member.name for member in made if member.type == 2])
        return group

    def choose_welcome(self, chat_id: str, template_id: str) -> Group:
        """The owner has the group greet with one of the company's group welcomes; with an empty id with none."""
        group = self.world.groups.get(chat_id)
        if template_id and self.world.group_welcomes.find(template_id) is None:
            raise NotFoundError(
                f"There is no group welcome {template_id!r}.", "GET /sandbox/group_welcomes lists them."
            )
        group.welcome_id = template_id
        self.world.groups.put(group)
        self.world.changes.note("group.changed", chat_id=group.chat_id, change="welcome")
        return group

    def _greet(self, group: Group, newcomers: list[str]) -> None:
        """Say in the group, in its owner's name, what it greets people from outside with."""
        welcome = self.world.group_welcomes.find(group.welcome_id)
        if welcome is None or not newcomers:
            return
        for msgtype, content in welcome.content:
            said = content
            if msgtype == "text":
                said = {"content": content["content"].replace(NICKNAME, "、".join(newcomers))}
            self.world.chats.write(
                group.owner, group.chat_id, "staff", "group_welcome", msgtype, said, self.world.clock.timestamp()
            )
        self.world.changes.note("group.changed", chat_id=group.chat_id, change="greeted")

    def leave(self, chat_id: str, people: list[str], *, kicked: bool = False) -> Group:
        """People go out, of themselves or removed by the owner."""
        group = self.world.groups.get(chat_id)
        missing = set(people) - {member.userid for member in group.members}
        if missing or not people:
            raise WorldError(f"{', '.join(sorted(missing)) or 'Nobody'} cannot leave: not in the group.")
        if group.owner in people:
            raise WorldError("The owner leaves only after somebody else has become the owner.")
        group.members = [member for member in group.members if member.userid not in people]
        group.admins = [userid for userid in group.admins if userid not in people]
        self._tell_members(group, "del_member", ("QuitScene", int(kicked)), people)
        return group

    def change(
        self, chat_id: str, *, name: str | None = None, notice: str | None = None, owner: str | None = None
    ) -> Group:
        """Somebody changes the group's name, notice or owner: one event for each."""
        group = self.world.groups.get(chat_id)
        if owner is not None:
            member = self.world.directory.get(owner)
            if all(inside.userid != member.userid for inside in group.members):
                raise WorldError(f"{owner} is not in the group.")
            group.owner, group.status = member.userid, 0
        group.name = group.name if name is None else name
        group.notice = group.notice if notice is None else notice
        self.world.groups.put(group)
        for value, detail in ((name, "change_name"), (notice, "change_notice"), (owner, "change_owner")):
            if value is not None:
                self._tell(group, "update", detail)
        return group

    def dismiss(self, chat_id: str) -> Group:
        """The owner dissolves the group."""
        group = self.world.groups.get(chat_id)
        group.dismissed = True
        self.world.groups.put(group)
        self._tell(group, "dismiss")
        return group

    def _find_room(self, config_id: str) -> Group:
        """Where a join way leads just now."""
        way = self.world.ways.join.get(config_id)
        if way is None:
            raise NotFoundError(f"There is no code {config_id!r}.", "GET /sandbox/channels lists them.")
        found = [self.world.groups.find(chat_id) for chat_id in way.chat_id_list]
        groups = [group for group in found if group is not None and not group.dismissed]
        for group in groups:
            if len(group.members) < self.members_max:
                return group
        if not groups or not way.auto_create_room:
            raise WorldError("All groups of this code are full.")
        name = f"{way.room_base_name}{way.room_base_id}"
        opened = self.create(groups[-1].owner, name, [])
        way.room_base_id += 1
        way.chat_id_list = [*way.chat_id_list, opened.chat_id][-MAX_GROUPS_OF_A_WAY:]
        self.world.ways.put(way)
        return opened

    def _join_way(self, config_id: str, chat_id: str) -> JoinWay:
        way = self.world.ways.join.get(config_id)
        if way is None or chat_id not in way.chat_id_list:
            raise NotFoundError(f"There is no code {config_id!r} into this group.", "GET /sandbox/channels lists them.")
        return way

    def _person(self, id_: str, now: int, scene: int, invitor: str) -> GroupMember:
        member = self.world.directory.find(id_)
        if member is not None:
            return GroupMember(member.userid, 1, now, scene, invitor, name=member.name)
        customer = self.world.customers.get(id_)
        return GroupMember(customer.external_userid, 2, now, scene, invitor, name=customer.name)

    def _tell_members(self, group: Group, detail: str, scene: Field, people: list[str]) -> None:
        before, now = self.world.groups.change_members(group)
        items = tuple(("Item", person) for person in people)
        more: list[Field] = [scene, ("MemChangeCnt", len(people)), ("MemChangeList", items)]
        self._tell(group, "update", detail, [*more, ("LastMemVer", before), ("CurMemVer", now)])

    def _tell(self, group: Group, change_type: str, detail: str = "", more: Iterable[Field] = ()) -> None:
        fields = chat_event(change_type, group.chat_id, detail, more)
        plaintext = event_xml(self.world.company.corpid, "sys", self.world.now, fields)
        owner = self.world.directory.get(group.owner)
        self.world.changes.note("group.changed", chat_id=group.chat_id, change=detail or change_type)
        for app in self.world.apps.values():
            if app.customer_contact and app.change_callback and self.world.directory.serves(app, owner):
                self.callbacks.send(app, plaintext, group.chat_id)
