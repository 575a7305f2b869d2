"""What there is of the things that a segment names, and its saved rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

from sqlalchemy import select
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.errors import ConflictError, NotFoundError
from data.models import CustomerGroup, Department, FieldDefinition, FormRow, Link, SegmentRow, Staff, Tag, Touch
from data.queries.rosters import list_known
from data.rules import segment_leaves as leaves
from data.rules.forms import Form
from data.rules.problems import InvalidRuleError, Problem, parse
from data.rules.segments import DEFINITION, BySegment, Known, KnownForm, Node, Segment, list_leaves, unknown_names

_NAMES = select(col(SegmentRow.id), col(SegmentRow.name)).order_by(col(SegmentRow.id))


def read_known(session: Session, *trees: Node) -> Known:
    """What there is of everything that these trees name."""
    found = [leaf for tree in trees for _, leaf in list_leaves(tree)]
    tag_ids = {each for leaf in found if isinstance(leaf, leaves.TagsLeaf) for each in leaf.tag_ids}
    userids = {each.lower() for leaf in found if isinstance(leaf, leaves.StaffLeaf) for each in leaf.userids}
    departments = {each for leaf in found if isinstance(leaf, leaves.DepartmentLeaf) for each in leaf.department_ids}
    chat_ids = {each for leaf in found if isinstance(leaf, leaves.GroupLeaf) for each in leaf.chat_ids}
    campaigns = {leaf.campaign_id for leaf in found if isinstance(leaf, leaves.CampaignLeaf)}
    links = {leaf.link_id for leaf in found if isinstance(leaf, leaves.LinkLeaf)}
    forms = {leaf.form for leaf in found if isinstance(leaf, leaves.FormLeaf)}
    rosters = {leaf.roster_id for leaf in found if isinstance(leaf, leaves.RosterLeaf)}
    fields = {leaf.name for leaf in found if isinstance(leaf, leaves.FieldLeaf)}
    return Known(
        tag_nos=_tag_nos(session, tag_ids) if tag_ids else {},
        userids=_userids(session, userids) if userids else {},
        department_userids=_members(session, departments) if departments else {},
        chat_ids=_chat_ids(session, chat_ids) if chat_ids else frozenset(),
        campaign_ids=frozenset(each for each in campaigns if _was_sent(session, each)),
        link_ids=_link_ids(session, links) if links else frozenset(),
        forms=_forms(session, forms) if forms else {},
        roster_ids=list_known(session, rosters) if rosters else frozenset(),
        field_kinds=_field_kinds(session, fields) if fields else {},
    )


def _tag_nos(session: Session, tag_ids: Iterable[str]) -> dict[str, int]:
    query = select(col(Tag.tag_id), col(Tag.tag_no)).where(col(Tag.tag_id).in_(tag_ids), col(Tag.deleted_at).is_(None))
    return {tag_id: number for tag_id, number in session.execute(query) if number is not None}


def _userids(session: Session, userids: Iterable[str]) -> dict[str, str]:
    # In Python: the databases do not agree on what a small letter is.
    return {userid.lower(): userid for userid in session.execute(select(col(Staff.userid))).scalars()
            if userid.lower() in userids}  # fmt: skip


def _members(session: Session, wanted: Iterable[int]) -> dict[int, frozenset[str]]:
    """The members of departments that exist, and of those below them."""
    above = dict(
        session.execute(
            select(col(Department.id), col(Department.parent_id)).where(col(Department.gone_at).is_(None))
        ).all()
    )
    inside: dict[int, set[str]] = {each: set() for each in wanted if each in above}
    ancestors: dict[int, set[int]] = {}
    for department_id in above:
        line, each = set[int](), department_id
        while each in above and each not in line:  # a circle ends too
            line.add(each)
            each = above[each]
        ancestors[department_id] = line & inside.keys()
    for userid, department_ids in session.execute(select(col(Staff.userid), col(Staff.department_ids))):
        for department_id in department_ids:
            for each in ancestors.get(department_id, ()):
                inside[each].add(userid)
    return {each: frozenset(userids) for each, userids in inside.items()}


def _chat_ids(session: Session, chat_ids: Iterable[str]) -> frozenset[str]:
    query = select(col(CustomerGroup.chat_id)).where(
        col(CustomerGroup.chat_id).in_(chat_ids), col(CustomerGroup.dismissed_at).is_(None)
    )
    return frozenset(session.execute(query).scalars())


def _was_sent(session: Session, campaign_id: int) -> bool:
    query = select(col(Touch.id)).where(col(Touch.campaign_id) == campaign_id).limit(1)
    return session.execute(query).first() is not None


def _link_ids(session: Session, link_ids: Iterable[int]) -> frozenset[int]:
    query = select(col(Link.id)).where(col(Link.id).in_(link_ids))
    return frozenset(each for each in session.execute(query).scalars() if each is not None)


def _forms(session: Session, names: Iterable[str]) -> dict[str, KnownForm]:
    query = select(FormRow).where(col(FormRow.name).in_(names))
    rows = session.execute(query).scalars()
    return {row.name: KnownForm(row.id or 0, parse(Form, row.definition)) for row in rows}


def _field_kinds(session: Session, names: Iterable[str]) -> dict[str, str]:
    query = select(col(FieldDefinition.name), col(FieldDefinition.kind)).where(col(FieldDefinition.name).in_(names))
    return dict(session.execute(query).all())


def list_segments(session: Session) -> list[Segment]:
    """All saved segments, by id."""
    return [_segment(row) for row in session.execute(select(SegmentRow).order_by(col(SegmentRow.id))).scalars()]


def list_names(session: Session) -> list[tuple[int, str]]:
    """All saved segments by id, their names alone."""
    return [(id_, name) for id_, name in session.execute(_NAMES)]


def get_segment(session: Session, segment_id: int) -> Segment:
    """One saved segment. Raises NotFoundError."""
    return _segment(_get(session, segment_id))


def save_segment(session: Session, segment: Segment, now: datetime) -> Segment:
    """Make a segment (id 0) or replace the one with its id. Raises NotFoundError, ConflictError (name taken)."""
    namesake = session.execute(select(col(SegmentRow.id)).where(col(SegmentRow.name) == segment.name)).scalar()
    if namesake is not None and namesake != segment.id:
        raise ConflictError(
            Phrase("已经有名为“%(name)s”的分群（编号 %(namesake)s）。", name=segment.name, namesake=namesake),
            Phrase("请换一个名称。"),
        )
    definition = segment.definition.model_dump(mode="json")
    if segment.id:
        row = _get(session, segment.id)
        row.name, row.definition, row.changed_at = segment.name, definition, now
        row.version += 1
    else:
        row = SegmentRow(name=segment.name, definition=definition, changed_at=now)
        session.add(row)
    session.flush()
    return _segment(row)


def delete_segment(session: Session, segment_id: int) -> None:
    """Remove a segment. Raises NotFoundError."""
    session.delete(_get(session, segment_id))


def _get(session: Session, segment_id: int) -> SegmentRow:
    row = session.get(SegmentRow, segment_id)
    if row is None:
        raise NotFoundError(
            Phrase("没有编号为 %(segment_id)s 的分群。", segment_id=segment_id), Phrase("请先列出现有的分群。")
        )
    return row


def _segment(row: SegmentRow) -> Segment:
    return parse(Segment, {"id": row.id, "name": row.name, "definition": row.definition})


Audience = TypeVar("Audience", bound=BySegment)


def read_audience(session: Session, audience: Audience) -> Audience:
    """An audience with its segment, read if it is a saved one. Raises InvalidRuleError where that names what there is
    not, or is not there itself."""
    if audience.segment_id is not None:
        saved = session.get(SegmentRow, audience.segment_id)
        if saved is None:
            raise InvalidRuleError(
                [
                    Problem(
                        "audience.segment_id",
                        Phrase("没有编号为 %(segment_id)s 的分群", segment_id=audience.segment_id),
                    )
                ]
            )
        audience = audience.model_copy(update={"segment": _segment(saved).definition, "segment_id": None})
    if audience.segment is not None:
        unknown = unknown_names(audience.segment, read_known(session, audience.segment))
        if unknown:
            raise InvalidRuleError(
                Problem(each.path.replace(DEFINITION, "audience.segment", 1), each.message) for each in unknown
            )
    return audience
