"""Staff and departments, as a self-built app sees them."""

from __future__ import annotations

from typing import Any

from bot.sandbox.calls import Answer, Call, Endpoint
from bot.sandbox.errors import ApiError
from bot.sandbox.records import Department, Member


async def get_user(call: Call) -> Answer:
    userid = call.params.text("userid")
    member = call.world.directory.find(userid)
    if member is None or member.status == 5:
        raise ApiError(60111)
    if not call.world.directory.in_range(call.app, member):
        raise ApiError(60011)
    return _member(member)


async def list_users(call: Call) -> Answer:
    return {"userlist": [_member(member) for member in _direct_members(call)]}


async def list_users_simply(call: Call) -> Answer:
    return {
        "userlist": [
            {"userid": member.userid, "name": member.name, "department": member.department}
            for member in _direct_members(call)
        ]
    }


async def list_departments(call: Call) -> Answer:
    return {"department": [_department(department) for department in _departments(call)]}


async def list_departments_simply(call: Call) -> Answer:
    return {
        "department_id": [
            {"id": department.id, "parentid": department.parentid, "order": department.order}
            for department in _departments(call)
        ]
    }


async def get_department(call: Call) -> Answer:
    id_ = call.params.optional_number("id")
    if id_ is None:
        raise ApiError(40058, "missing field id")
    return {"department": _department(_visible_department(call, id_))}


def _visible_department(call: Call, id_: int) -> Department:
    department = call.world.directory.departments.get(id_)
    if department is None:
        raise ApiError(60003)
    if department not in call.world.directory.departments_in_range(call.app):
        raise ApiError(60011)
    return department


def _departments(call: Call) -> list[Department]:
    seen = call.world.directory.departments_in_range(call.app)
    id_ = call.params.optional_number("id")
    if id_ is None:
        return seen
    _visible_department(call, id_)
    return [department for department in call.world.directory.below(id_) if department in seen]


def _direct_members(call: Call) -> list[Member]:
    id_ = call.params.optional_number("department_id")
    if id_ is None:
        raise ApiError(60123)
    if id_ not in call.world.directory.departments:
        raise ApiError(60003)
    return [
        member
        for member in call.world.directory
        if id_ in member.department and call.world.directory.in_range(call.app, member)
    ]


def _member(member: Member) -> dict[str, Any]:
    """As a self-built app sees it: no mobile, e-mail, avatar, gender, QR code or address."""
    return {
        "userid": member.userid,
        "name": member.name,
        "department": member.department,
        "order": [0] * len(member.department),
        "position": member.position,
        "is_leader_in_dept": [int(member.is_leader)] * len(member.department),
        "direct_leader": member.direct_leader,
        "telephone": "",
        "alias": member.alias,
        "main_department": member.department[0] if member.department else 1,
        "extattr": {"attrs": []},
        "status": member.status,
        "external_position": "",
        "external_profile": {"external_corp_name": "", "external_attr": []},
    }


def _department(department: Department) -> dict[str, Any]:
    return {
        "id": department.id,
        "name": department.name,
        "name_en": department.name_en,
        "department_leader": department.department_leader,
        "parentid": department.parentid,
        "order": department.order,
    }


ENDPOINTS = (
    Endpoint("user/get", "GET", get_user),
    Endpoint("user/list", "GET", list_users, {"userlist": []}),
    Endpoint("user/simplelist", "GET", list_users_simply, {"userlist": []}),
    Endpoint("department/list", "GET", list_departments, {"department": []}),
    Endpoint("department/simplelist", "GET", list_departments_simply, {"department_id": []}),
    Endpoint("department/get", "GET", get_department),
)
