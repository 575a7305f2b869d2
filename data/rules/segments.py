"""Segments (客户分群): a question about the customers, as a typed tree of `all`, `any` and `not` over leaves.

A node is an object with one key: `{"all": [...]}`, `{"any": [...]}`, `{"not": {...}}`, or a leaf such as
`{"tags": {"tag_ids": ["et1"]}}`. `{"all": []}` is everybody. The unit is the follow, the pair of a staff member and a
customer. Unless a `status` leaf stands somewhere, only present follows are meant.

What a leaf names may vanish after the segment was saved (a tag, a group, a field). Whether such a leaf holds is then
not known, and what hangs on it is nobody: neither the leaf nor its opposite holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, ConfigDict, Field, model_serializer, model_validator

from bot.phrases import Bilingual, Phrase
from data.rules import segment_leaves as leaves
from data.rules.conditions import RuleName
from data.rules.forms import AskChoice, AskChoices, Form
from data.rules.problems import InvalidRuleError, Problem, RuleModel
from data.rules.segment_leaves import Leaf

DEPTH_MAX = 8
NODES_MAX = 100
#: Values in the whole tree: databases bound how many a statement may carry.
VALUES_MAX = 5000


class Node(RuleModel):
    """One node of the tree: exactly one of the fields is there."""

    model_config = ConfigDict(validate_by_name=False, validate_by_alias=True)

    all_of: tuple[Node, ...] | None = Field(default=None, alias="all")
    any_of: tuple[Node, ...] | None = Field(default=None, alias="any")
    not_: Node | None = Field(default=None, alias="not")
    tags: leaves.TagsLeaf | None = None
    staff: leaves.StaffLeaf | None = None
    department: leaves.DepartmentLeaf | None = None
    channel: leaves.ChannelLeaf | None = None
    add_way: leaves.AddWayLeaf | None = None
    gender: leaves.GenderLeaf | None = None
    type: leaves.TypeLeaf | None = None
    origin: leaves.OriginLeaf | None = None
    added: leaves.AddedLeaf | None = None
    status: leaves.StatusLeaf | None = None
    group: leaves.GroupLeaf | None = None
    last_touch: leaves.LastTouchLeaf | None = None
    touches: leaves.TouchesLeaf | None = None
    campaign: leaves.CampaignLeaf | None = None
    link: leaves.LinkLeaf | None = None
    form: leaves.FormLeaf | None = None
    roster: leaves.RosterLeaf | None = None
    orders: leaves.OrdersLeaf | None = None
    silent: leaves.SilentLeaf | None = None
    birthday: leaves.BirthdayLeaf | None = None
    field: leaves.FieldLeaf | None = None
    preference: leaves.PreferenceLeaf | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Node:
        if len(self._given) != 1:
            raise ValueError(Phrase("只能有一个键：all、any、not，或一种条件（%(leaves)s）", leaves=[*LEAVES]))
        if self.any_of == ():
            raise ValueError(Phrase("any 里至少要有一个条件"))
        return self

    @property
    def _given(self) -> list[str]:
        return [name for name in type(self).model_fields if getattr(self, name) is not None]

    @property
    def key(self) -> str:
        """What stands in JSON: all, any, not, or the name of the leaf."""
        (name,) = self._given
        return type(self).model_fields[name].alias or name

    @property
    def leaf(self) -> Leaf | None:
        """The question, where the node is a leaf."""
        found = getattr(self, self._given[0])
        return found if isinstance(found, Leaf) else None

    @property
    def children(self) -> tuple[Node, ...]:
        """The nodes below."""
        return (self.not_,) if self.not_ is not None else self.all_of or self.any_of or ()

    @model_serializer(mode="wrap")
    def _one_key(self, dump: Any) -> dict[str, Any]:
        told = dump(self)
        (name,) = self._given
        return {self.key: told[name] if name in told else told[self.key]}


STRUCTURE = ("all", "any", "not")
#: The names of the leaves.
LEAVES: tuple[str, ...] = tuple(
    name for name, info in Node.model_fields.items() if (info.alias or name) not in STRUCTURE
)


def _bounded(source: Any) -> Any:
    """The tree as it came, if it is neither too deep nor too large to look at. Raises InvalidRuleError."""
    if isinstance(source, Node):
        return source
    nodes = values = 0
    waiting: list[tuple[Any, str, int]] = [(source, DEFINITION, 1)]
    while waiting:
        value, path, depth = waiting.pop()
        if isinstance(value, Mapping):
            nodes += 1
            # The deepest object is what a leaf asks, and is no node.
            if depth > DEPTH_MAX + 1:
                raise InvalidRuleError([Problem(path, Phrase("嵌套太深：最多 %(most)s 层", most=DEPTH_MAX))])
            waiting += [(inner, f"{path}.{name}", depth + 1) for name, inner in value.items()]
        elif isinstance(value, list | tuple):
            waiting += [(inner, f"{path}[{number}]", depth) for number, inner in enumerate(value)]
        else:
            values += 1
        if nodes > NODES_MAX * 2 or values + len(waiting) > VALUES_MAX:
            raise InvalidRuleError(
                [
                    Problem(
                        DEFINITION,
                        Phrase(
                            "条件太多：最多 %(most)s 个，一共最多 %(values)s 个值", most=NODES_MAX, values=VALUES_MAX
                        ),
                    )
                ]
            )
    return source


#: The name of the field that holds a tree, wherever one is given.
DEFINITION = "definition"
Tree = Annotated[Node, BeforeValidator(_bounded)]
EVERYBODY = Node.model_validate({"all": []})


class Segment(RuleModel):
    """A saved segment."""

    id: int = 0
    name: RuleName
    definition: Tree


class BySegment(RuleModel):
    """Of whatever is meant for a segment: a tree, or the saved one with `segment_id`, as it is then."""

    segment: Tree | None = None
    segment_id: Annotated[int, Field(ge=1, le=2**62)] | None = None


def list_nodes(tree: Node, path: str = DEFINITION) -> Iterator[tuple[str, Node]]:
    """Every node with its path, such as `definition.all[2].not`; a leaf's path ends with its name."""
    yield (path if tree.leaf is None else f"{path}.{tree.key}"), tree
    for number, child in enumerate(tree.children):
        yield from list_nodes(child, f"{path}.not" if tree.key == "not" else f"{path}.{tree.key}[{number}]")


def list_leaves(tree: Node) -> Iterator[tuple[str, Leaf]]:
    """Every leaf with its path."""
    for path, node in list_nodes(tree):
        if node.leaf is not None:
            yield path, node.leaf


def names_status(tree: Node) -> bool:
    """Whether the tree itself says which statuses are meant."""
    return any(isinstance(leaf, leaves.StatusLeaf) for _, leaf in list_leaves(tree))


class KnownForm(NamedTuple):
    """A form that there is, and what it asks now."""

    form_id: int
    form: Form


@dataclass(frozen=True, slots=True)
class Known:
    """What there is of the things that a tree names.

    `tag_nos`: of tags that exist, by tag_id. `department_userids`: the members of departments that exist, and of those
    below. `userids`: of staff members, by their userid in small letters. `field_kinds`: of custom fields, by name.
    """

    tag_nos: Mapping[str, int] = field(default_factory=dict)
    userids: Mapping[str, str] = field(default_factory=dict)
    department_userids: Mapping[int, frozenset[str]] = field(default_factory=dict)
    chat_ids: frozenset[str] = frozenset()
    campaign_ids: frozenset[int] = frozenset()
    link_ids: frozenset[int] = frozenset()
    forms: Mapping[str, KnownForm] = field(default_factory=dict)
    roster_ids: frozenset[int] = frozenset()
    field_kinds: Mapping[str, str] = field(default_factory=dict)


def unknown_names(tree: Node, known: Known) -> list[Problem]:
    """What a tree names that is not there."""
    found: list[Problem] = []
    for path, leaf in list_leaves(tree):
        match leaf:
            case leaves.TagsLeaf():
                found += [
                    Problem(
                        f"{path}.tag_ids",
                        Phrase("企业标签里没有 %(tag_id)s（已被删除，或还没有从企业微信读到）", tag_id=tag_id),
                    )
                    for tag_id in sorted(leaf.tag_ids - known.tag_nos.keys())
                ]
            case leaves.StaffLeaf():
                found += [
                    Problem(f"{path}.userids", Phrase("没有成员 %(userid)s（或还没有从企业微信读到）", userid=userid))
                    for userid in sorted(leaf.userids)
                    if userid.lower() not in known.userids
                ]
            case leaves.DepartmentLeaf():
                found += [
                    Problem(
                        f"{path}.department_ids",
                        Phrase("没有部门 %(department_id)s（已被删除，或不在可见范围内）", department_id=each),
                    )
                    for each in sorted(leaf.department_ids - known.department_userids.keys())
                ]
            case leaves.GroupLeaf():
                found += [
                    Problem(
                        f"{path}.chat_ids",
                        Phrase("没有客户群 %(chat_id)s（已解散，或还没有从企业微信读到）", chat_id=chat_id),
                    )
                    for chat_id in sorted(leaf.chat_ids - known.chat_ids)
                ]
            case leaves.CampaignLeaf() if leaf.campaign_id not in known.campaign_ids:
                found.append(
                    Problem(
                        f"{path}.campaign_id", Phrase("没有编号为 %(campaign_id)s 的群发", campaign_id=leaf.campaign_id)
                    )
                )
            case leaves.LinkLeaf() if leaf.link_id not in known.link_ids:
                found.append(
                    Problem(f"{path}.link_id", Phrase("没有编号为 %(link_id)s 的跟踪链接", link_id=leaf.link_id))
                )
            case leaves.FormLeaf():
                found += _form_problems(path, leaf, known.forms.get(leaf.form))
            case leaves.RosterLeaf() if leaf.roster_id not in known.roster_ids:
                found.append(
                    Problem(
                        f"{path}.roster_id", Phrase("没有编号为 %(roster_id)s 的客户名单", roster_id=leaf.roster_id)
                    )
                )
            case leaves.FieldLeaf():
                found += _field_problems(path, leaf, known.field_kinds.get(leaf.name))
            case _:
                pass
    return found


def _form_problems(path: str, leaf: leaves.FormLeaf, known: KnownForm | None) -> Iterator[Problem]:
    if known is None:
        yield Problem(f"{path}.form", Phrase("没有表单 %(form)s", form=leaf.form))
        return
    if leaf.question is None:
        return
    question = next((each for each in known.form.questions if each.key == leaf.question), None)
    if question is None:
        keys = [each.key for each in known.form.questions]
        yield Problem(
            f"{path}.question",
            Phrase(
                "表单 %(form)s 没有问题 %(question)s，它的问题是 %(keys)s",
                form=leaf.form,
                question=leaf.question,
                keys=keys,
            ),
        )
    elif leaf.ticked is not None and question.ask != "consent":
        yield Problem(f"{path}.ticked", Phrase("问题 %(question)s 不是勾选的；请用 one_of", question=leaf.question))
    elif leaf.one_of is not None and question.ask in ("consent", "birthday"):
        words = Phrase("请用 ticked") if question.ask == "consent" else Phrase("生日请用条件 birthday")
        yield Problem(
            f"{path}.one_of", Phrase("问题 %(question)s 的答案不是文字；%(words)s", question=leaf.question, words=words)
        )
    elif leaf.one_of is not None and isinstance(question, AskChoice | AskChoices):
        texts = [each.text for each in question.choices]
        for missing in sorted(leaf.one_of - set(texts)):
            yield Problem(
                f"{path}.one_of",
                Phrase(
                    "问题 %(question)s 没有选项 %(missing)s，它的选项是 %(texts)s",
                    question=leaf.question,
                    missing=missing,
                    texts=texts,
                ),
            )


FIELD_KIND_WORDS: Mapping[str, str] = {
    "text": Bilingual("文字", "text"), "number": Bilingual("数字", "number"), "date": Bilingual("日期", "date"),
    "flag": Bilingual("是否", "yes-or-no"),
}  # fmt: skip


def _field_problems(path: str, leaf: leaves.FieldLeaf, kind: str | None) -> Iterator[Problem]:
    if kind is None:
        yield Problem(f"{path}.name", Phrase("没有自定义字段 %(name)s", name=leaf.name))
    elif kind not in leaf.kinds:
        words = [FIELD_KIND_WORDS[each] for each in sorted(leaf.kinds)]
        yield Problem(
            path,
            Phrase(
                "自定义字段 %(name)s 是%(kind)s，这个条件要用%(words)s字段",
                name=leaf.name,
                kind=FIELD_KIND_WORDS.get(kind, kind),
                words=words,
            ),
        )
