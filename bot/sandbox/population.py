"""The sample company, computed from a seed: record number j is a function of j, so a million customers cost no memory.

Only what differs from this base is ever stored (see `bot.sandbox.customers`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from bisect import bisect_right
from itertools import accumulate

from bot.sandbox import names
from bot.sandbox.records import (
    App,
    Company,
    ContactWay,
    Customer,
    Department,
    Follow,
    Group,
    GroupMember,
    Member,
    Tag,
    TagGroup,
)

DAY_SECONDS = 86_400
#: The sample company's own app.
AGENTID = 1000002
_MASK = (1 << 64) - 1
_ID_BITS = 96
#: Of ten customers this one is also followed by the next member.
_SHARED_EVERY, _SHARED_AT = 10, 3
#: Of forty customers the last is a WeCom user of another company.
_WECOM_EVERY, _WECOM_AT = 40, 39
#: add_way by hundredths: 1 scan, 3 card, 2 phone search, 4 group chat, 16 acquisition link, 0 unknown.
_ADD_WAYS = [1] * 55 + [3] * 15 + [2] * 10 + [4] * 12 + [16] * 5 + [0] * 3
#: The customer took the first step; otherwise the member did.
_BY_CUSTOMER = frozenset({1, 3, 16})


class Population:
    """The base of the sample company.

    `reference`: epoch seconds of the day on which the company is looked at; everything base happened before it.
    """

    def __init__(self, *, staff: int, customers: int, seed: int, reference: int) -> None:
        if staff < 1 or customers < 0:
            raise ValueError("a company has at least one member and no negative number of customers")
        self.staff, self.customers, self.seed, self.reference = staff, customers, seed, reference
        rng = random.Random(f"{seed}:company")
        self.company = Company(
            corpid="ww" + rng.randbytes(8).hex(), name="云杉生活", full_name="云杉生活示例商贸有限公司"
        )
        self._corp_tag = _letters(rng, 7) + "AAA"
        self._multiplier = rng.getrandbits(_ID_BITS) | 1
        self._inverse = pow(self._multiplier, -1, 1 << _ID_BITS)
        self._shift = rng.getrandbits(_ID_BITS)
        self._salt = rng.getrandbits(64)
        self.departments = _departments(self.company.name)
        self.members = self._members()
        self._place_leaders()
        #: Members who hold the 客户联系 feature: only they have customers.
        self.service = [member for member in self.members if member.customer_contact]
        self.tag_groups = self._tag_groups(rng)
        self.contact_ways = self._contact_ways(rng)
        self._service_number = {member.userid: number for number, member in enumerate(self.service)}
        weights = [2 + self._hash(1 << 50 | number) % 5 for number in range(len(self.service))]
        total = sum(weights) or 1
        self._starts = [0, *(weight * customers // total for weight in accumulate(weights))]
        tags = [tag.id for group in self.tag_groups for tag in group.tags]
        self.tag_sets: list[list[str]] = [[]] + [sorted(rng.sample(tags, rng.choice((1, 1, 2, 3)))) for _ in range(63)]
        self._states = [way.state for way in self.contact_ways]
        self._first = [json.dumps(word, ensure_ascii=False)[1:-1] for word in names.FIRST]
        self._second = [json.dumps(word, ensure_ascii=False)[1:-1] for word in names.SECOND]

    # -- identifiers

    def external_userid(self, index: int, type_: int | None = None) -> str:
        """The id of customer `index`; 32 characters as WeCom's are."""
        number = (index * self._multiplier + self._shift) % (1 << _ID_BITS)
        middle = base64.urlsafe_b64encode(number.to_bytes(12, "big")).decode()
        prefix = "wo" if (type_ or self.type_of(index)) == 2 else "wm"
        return f"{prefix}{self._corp_tag}{middle}AAAA"

    def index_of(self, external_userid: str) -> int | None:
        """Which customer an id belongs to (None: not an id of this company; may lie beyond the base)."""
        if len(external_userid) != 32 or external_userid[2:12] != self._corp_tag or external_userid[28:] != "AAAA":
            return None
        try:
            number = int.from_bytes(base64.urlsafe_b64decode(external_userid[12:28].encode()), "big")
        except ValueError:
            return None
        index = (number - self._shift) * self._inverse % (1 << _ID_BITS)
        if self.external_userid(index, 2 if external_userid[:2] == "wo" else 1) != external_userid:
            return None
        return index

    def type_of(self, index: int) -> int:
        return 2 if index % _WECOM_EVERY == _WECOM_AT and index < self.customers else 1

    def _hash(self, index: int) -> int:
        mixed = ((index + 1) * 0x9E3779B97F4A7C15 ^ self._salt) & _MASK
        mixed = (mixed ^ mixed >> 29) * 0xBF58476D1CE4E5B9 & _MASK
        return mixed ^ mixed >> 32

    # -- customers and their followers

    def is_base(self, external_userid: str) -> int | None:
        """The index of a base customer, or None."""
        index = self.index_of(external_userid)
        if index is None or index >= self.customers:
            return None
        return index if external_userid[:2] == ("wo" if self.type_of(index) == 2 else "wm") else None

    def slot(self, id_: str) -> int | None:
        """The index of a base customer whose id is known to be right, quickly; None for any other id."""
        if id_[1] not in "mo":
            return None
        number = int.from_bytes(base64.urlsafe_b64decode(id_[12:28]), "big")
        index = (number - self._shift) * self._inverse % (1 << _ID_BITS)
        return index if index < self.customers else None

    def customer(self, index: int) -> Customer:
        """Base customer `index`, 0 ≤ index < customers."""
        mixed = self._hash(index)
        kind = self.type_of(index)
        external_userid = self.external_userid(index)
        name = names.FIRST[mixed % len(names.FIRST)] + names.SECOND[(mixed >> 12) % len(names.SECOND)]
        customer = Customer(external_userid, name, kind, (mixed >> 24) % 3)
        customer.avatar = f"https://wework.qpic.cn/wwpic/{mixed & 0xFFFFFF:06x}_{external_userid[12:28]}/0"
        if kind == 1:
            customer.unionid = f"oS8w{external_userid[12:28]}{mixed >> 32 & 0xFFFFFFFF:08x}"
        else:
            customer.position = names.POSITIONS[mixed % len(names.POSITIONS)]
            customer.corp_name = names.CORPS[mixed % len(names.CORPS)]
            customer.corp_full_name = f"{customer.corp_name}有限公司"
        return customer

    def follow(self, index: int, userid: str) -> Follow | None:
        """How `userid` follows base customer `index`, or None."""
        for number, second in self._followers(index):
            if self.service[number].userid == userid:
                return self._follow(index, number, second)
        return None

    def followers(self, index: int) -> list[str]:
        """Who follows base customer `index`."""
        return [self.service[number].userid for number, _ in self._followers(index)]

    def rows(self, userid: str) -> int:
        """How many base customers `userid` follows."""
        number = self._service_number.get(userid)
        if number is None:
            return 0
        first, last, shared = self._range(number)
        return last - first + len(shared)

    def row(self, userid: str, row: int) -> int:
        """The customer index in row `row` of `userid`'s list, 0 ≤ row < rows(userid)."""
        first, last, shared = self._range(self._service_number[userid])
        return first + row if row < last - first else shared[row - (last - first)]

    def begun(self, userid: str, row: int) -> int:
        """When the customer in row `row` of `userid`'s list was added, epoch seconds."""
        first, last, _ = self._range(self._service_number[userid])
        return self._createtime(self._hash(self.row(userid, row)), row >= last - first)

    def tag_set(self, userid: str, row: int) -> int:
        """Which of `tag_sets` the customer in row `row` of `userid`'s list carries."""
        other = self._hash(self.row(userid, row) | (self._service_number[userid] + 1) << 52)
        return (other >> 16) % len(self.tag_sets)

    def row_json(self, userid: str, row: int, tag_sets: list[str]) -> tuple[str, str]:
        """(external_userid, that row as batch/get_by_user writes it); `tag_sets` are the tag lists as JSON.

        The same facts as `customer` and `follow`, written without building objects: this is what a sync of a million
        customers spends its time in.
        """
        number = self._service_number[userid]
        first, last, shared = self._range(number)
        second = row >= last - first
        index = shared[row - (last - first)] if second else first + row
        mixed = self._hash(index)
        id_ = self.external_userid(index)
        name = self._first[mixed % len(names.FIRST)] + self._second[(mixed >> 12) % len(names.SECOND)]
        contact = (
            f'{{"external_userid":"{id_}","name":"{name}","type":{2 if id_[1] == "o" else 1},'
            f'"avatar":"https://wework.qpic.cn/wwpic/{mixed & 0xFFFFFF:06x}_{id_[12:28]}/0",'
            f'"gender":{(mixed >> 24) % 3}'
        )
        if id_[1] == "o":
            corp = names.CORPS[mixed % len(names.CORPS)]
            contact += f',"position":"{names.POSITIONS[mixed % len(names.POSITIONS)]}","corp_name":"{corp}"'
            contact += f',"corp_full_name":"{corp}有限公司"}}'
        else:
            contact += f',"unionid":"oS8w{id_[12:28]}{mixed >> 32 & 0xFFFFFFFF:08x}"}}'
        other = self._hash(index | (number + 1) << 52)
        add_way = _ADD_WAYS[other % 100]
        remark = name + names.REMARKS[(other >> 8) % len(names.REMARKS)]
        info = (
            f'{{"userid":"{userid}","remark":"{remark}","description":"",'
            f'"createtime":{self._createtime(mixed, second)},"tag_id":{tag_sets[(other >> 16) % len(tag_sets)]},'
            f'"remark_mobiles":{self._mobiles_json(other)},"add_way":{add_way},'
            f'"oper_userid":"{id_ if add_way in _BY_CUSTOMER else userid}"'
        )
        if add_way == 1 and self._states:
            info += f',"state":"{self._states[(other >> 28) % len(self._states)]}"'
        return id_, f'{{"external_contact":{contact},"follow_info":{info}}}}}'

    def _followers(self, index: int) -> list[tuple[int, bool]]:
        if not self.service:
            return []
        number = min(bisect_right(self._starts, index) - 1, len(self.service) - 1)
        if index % _SHARED_EVERY == _SHARED_AT and len(self.service) > 1:
            return [(number, False), ((number + 1) % len(self.service), True)]
        return [(number, False)]

    def _range(self, number: int) -> tuple[int, int, range]:
        first, last = self._starts[number], self._starts[number + 1]
        if len(self.service) < 2:
            return first, last, range(0)
        before = (number - 1) % len(self.service)
        start, stop = self._starts[before], self._starts[before + 1]
        return first, last, range(start + (_SHARED_AT - start) % _SHARED_EVERY, stop, _SHARED_EVERY)

    def _follow(self, index: int, number: int, second: bool) -> Follow:
        mixed = self._hash(index)
        other = self._hash(index | (number + 1) << 52)
        userid, external_userid = self.service[number].userid, self.external_userid(index)
        name = names.FIRST[mixed % len(names.FIRST)] + names.SECOND[(mixed >> 12) % len(names.SECOND)]
        add_way = _ADD_WAYS[other % 100]
        return Follow(
            userid,
            external_userid,
            "mutual",
            self._createtime(mixed, second),
            remark=name + names.REMARKS[(other >> 8) % len(names.REMARKS)],
            tag_ids=list(self.tag_sets[(other >> 16) % len(self.tag_sets)]),
            remark_mobiles=json.loads(self._mobiles_json(other)),
            add_way=add_way,
            oper_userid=external_userid if add_way in _BY_CUSTOMER else userid,
            state=self._states[(other >> 28) % len(self._states)] if add_way == 1 and self._states else "",
            chatting=True,
        )

    def _createtime(self, mixed: int, second: bool) -> int:
        age = (mixed >> 30) % (720 * DAY_SECONDS) + 1
        return self.reference - (age // 2 if second else age)

    @staticmethod
    def _mobiles_json(other: int) -> str:
        return f'["1380000{(other >> 36) % 10_000:04d}"]' if (other >> 50) % 5 == 0 else "[]"

    # -- the small parts, made whole

    def _members(self) -> list[Member]:
        members: list[Member] = []
        taken: set[str] = set()
        rng = random.Random(f"{self.seed}:staff")
        surnames, givens = rng.sample(names.SURNAMES, len(names.SURNAMES)), rng.sample(names.GIVEN, len(names.GIVEN))
        for number in range(self.staff):
            surname, surname_en = surnames[number % len(surnames)]
            given, given_en, gender = givens[(number + number // len(surnames)) % len(givens)]
            userid = surname_en + given_en
            while userid.lower() in taken:
                userid = f"{surname_en}{given_en}{number:02d}" + ("x" if f"{userid}{number:02d}" in taken else "")
            taken.add(userid.lower())
            department, position, service = names.POSTS[number % len(names.POSTS)]
            members.append(
                Member(userid, surname + given, [department], position, gender=gender, customer_contact=service)
            )
        return members

    def _place_leaders(self) -> None:
        for department in self.departments:
            inside = [member for member in self.members if department.id in member.department]
            if not inside:
                continue
            inside[0].is_leader = True
            department.department_leader = [inside[0].userid]
            for member in inside[1:]:
                member.direct_leader = [inside[0].userid]

    def _tag_groups(self, rng: random.Random) -> list[TagGroup]:
        created = self.reference - 730 * DAY_SECONDS
        return [
            TagGroup(
                "et" + self._corp_tag + _letters(rng, 20),
                name,
                created,
                order=len(names.TAGS) - place,
                tags=[
                    Tag("et" + self._corp_tag + _letters(rng, 20), tag, created, order=len(tags) - number)
                    for number, tag in enumerate(tags)
                ],
            )
            for place, (name, tags) in enumerate(names.TAGS)
        ]

    def _contact_ways(self, rng: random.Random) -> list[ContactWay]:
        if not self.service:
            return []
        return [
            ContactWay(
                rng.randbytes(16).hex(),
                type=2,
                scene=2,
                create_time=self.reference - (80 - place) * DAY_SECONDS,
                agentid=AGENTID,
                remark=remark,
                skip_verify=skip_verify,
                state=state,
                user=[
                    self.service[(place + step) % len(self.service)].userid for step in range(min(3, len(self.service)))
                ],
            )
            for place, (state, remark, skip_verify) in enumerate(names.CHANNELS)
        ]

    def app(self) -> App:
        """The sample company's own self-built app."""
        rng = random.Random(f"{self.seed}:app")
        key = base64.b64encode(rng.randbytes(32)).decode().rstrip("=")
        while not key.isalnum():
            key = base64.b64encode(rng.randbytes(32)).decode().rstrip("=")
        return App(AGENTID, "客户运营助手", _letters(rng, 43), _letters(rng, 24), key)

    def groups(self) -> list[Group]:
        """The sample company's customer groups, with people from inside, customers, and strangers."""
        made: list[Group] = []
        for number in range(min(400, max(4, self.staff // 4)) if self.service else 0):
            rng = random.Random(f"{self.seed}:group:{number}")
            owner = self.service[number % len(self.service)]
            created = self.reference - rng.randrange(20, 600) * DAY_SECONDS
            members = [GroupMember(owner.userid, 1, created, 1, name=owner.name)]
            other = self.service[(number + 1) % len(self.service)]
            if other is not owner:
                members.append(GroupMember(other.userid, 1, created, 1, owner.userid, name=other.name))
            rows = self.rows(owner.userid)
            for row in sorted(rng.sample(range(rows), min(rows, rng.randrange(8, 40)))):
                customer = self.customer(self.row(owner.userid, row))
                joined = created + rng.randrange(1, 20 * DAY_SECONDS)
                scene = rng.choice((1, 2, 3, 3))
                invitor = owner.userid if scene == 1 else ""
                members.append(GroupMember(customer.external_userid, 2, joined, scene, invitor, name=customer.name))
            for place in range(2):  # people in the group who are nobody's customer
                stranger = self.external_userid(10**12 + number * 2 + place)
                members.append(GroupMember(stranger, 2, created + 60, 3, name=f"路人{number}{place}"))
            name = f"{self.company.name}{names.GROUPS[number % len(names.GROUPS)]}{number + 1}群"
            made.append(
                Group(
                    "wr" + self._corp_tag + _letters(rng, 20),
                    name,
                    owner.userid,
                    created,
                    members,
                    notice=names.NOTICES[number % len(names.NOTICES)],
                    admins=[other.userid] if other is not owner and number % 2 else [],
                    member_version=rng.randbytes(16).hex(),
                )
            )
        return made


def _letters(rng: random.Random, count: int) -> str:
    return "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", k=count))


def _departments(company: str) -> list[Department]:
    return [
        Department(id_, name or company, name_en, parentid, order)
        for id_, name, name_en, parentid, order in names.DEPARTMENTS
    ]


def token_of(*parts: object) -> str:
    """A stable string of 32 hex characters made of `parts`: for ids whose value means nothing."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
