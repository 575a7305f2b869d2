"""Staff and departments."""

from __future__ import annotations

from collections.abc import Iterator

from bot.sandbox.errors import NotFoundError
from bot.sandbox.journal import Journal
from bot.sandbox.population import Population
from bot.sandbox.records import App, Department, Member


class Directory:
    """Members by userid (case-insensitive, as WeCom's lookups are) and departments by id."""

    def __init__(self, population: Population, journal: Journal) -> None:
        self._journal = journal
        self._members = {member.userid.lower(): member for member in population.members}
        self.departments = {department.id: department for department in population.departments}
        for key, member in journal.load("member", Member):
            self._members[key] = member
        for key, department in journal.load("department", Department):
            self.departments[int(key)] = department

    def find(self, userid: str) -> Member | None:
        """The member, whether active or not; None for an unknown userid."""
        return self._members.get(userid.lower())

    def get(self, userid: str) -> Member:
        member = self.find(userid)
        if member is None:
            raise NotFoundError(f"There is no member of staff {userid!r}.", "GET /sandbox/world lists the staff.")
        return member

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def put(self, member: Member) -> None:
        """Keep a member that was changed or has joined."""
        self._members[member.userid.lower()] = member
        self._journal.put("member", member.userid.lower(), member)

    def put_department(self, department: Department) -> None:
        self.departments[department.id] = department
        self._journal.put("department", str(department.id), department)

    def below(self, department_id: int) -> list[Department]:
        """The department and everything under it, in listed order."""
        wanted = {department_id}
        found = True
        while found:
            found = False
            for department in self.departments.values():
                if department.parentid in wanted and department.id not in wanted:
                    wanted.add(department.id)
                    found = True
        return [department for department in self.departments.values() if department.id in wanted]

    def in_range(self, app: App, member: Member) -> bool:
        """Whether the app may see the member at all."""
        if member.status == 5:
            return False
        if app.visible_userids is None and app.visible_parties is None:
            return True
        if member.userid in (app.visible_userids or ()):
            return True
        return any(
            department.id in member.department
            for party in app.visible_parties or ()
            for department in self.below(party)
        )

    def serves(self, app: App, member: Member) -> bool:
        """Whether the member counts as a follower for the app: in its range, active, holding a 客户联系 seat."""
        return member.customer_contact and member.status == 1 and self.in_range(app, member)

    def departments_in_range(self, app: App) -> list[Department]:
        """The departments that the app may see."""
        if app.visible_parties is None:
            return list(self.departments.values()) if app.visible_userids is None else []
        seen: dict[int, Department] = {}
        for party in app.visible_parties:
            seen.update((department.id, department) for department in self.below(party))
        return list(seen.values())
