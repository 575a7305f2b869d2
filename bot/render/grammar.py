"""What a message template may be made of, and how long its text can become.

Jinja2's sandbox keeps a template away from the program but bounds neither time nor memory, so only constructs
are allowed that work through the template once: text, variables, `if`, two filters that shorten. For such a
template the longest possible output can be told from its syntax tree, and that is what is held against
WeCom's limits.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from jinja2 import nodes

from bot.errors import SiyuError
from bot.phrases import Bilingual, Phrase
from bot.render.contracts import Contract

MAX_SOURCE_BYTES = 16_384
MAX_DEPTH = 24
#: Python's own parser nests as deep as a chain of elif is long.
MAX_BRANCHES = 32
#: What `truncate` puts where it cut.
ELLIPSIS = "…"
#: A length beyond any text WeCom takes: a larger argument of `truncate` is a mistake.
MAX_TRUNCATE = 10_000


class TemplateError(SiyuError):
    """A template cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a template: `line` counts from 1, `code` is stable, `message` is for who edits."""

    line: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a template uses and can become."""

    problems: tuple[Problem, ...]
    variables: frozenset[str]
    max_bytes: int


def byte_length(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def has_forbidden_characters(text: str) -> bool:
    """Control characters other than newline and tab, and lone surrogates."""
    return any(char not in "\n\t" and unicodedata.category(char) in ("Cc", "Cs") for char in text)


def analyse(tree: nodes.Template, contract: Contract) -> Analysis:
    """The problems of a parsed template under `contract`, the variables it uses and its longest possible
    output.
    """
    walk = _Walk(contract, byte_length, 4)
    longest, limit, most = walk.body(tree.body), contract.max_output_bytes, contract.max_output_characters
    problems = walk.problems
    if not problems and longest > limit:
        told = Phrase(
            "这段文字最长 %(longest)s 字节（变量按最长计），上限是 %(limit)s 字节（一个汉字 3 字节）。",
            longest=longest,
            limit=limit,
        )
        problems.append(Problem(tree.lineno or 1, "too_long", told))
    elif not problems and most is not None:
        characters = _Walk(contract, len, 1).body(tree.body)
        if characters > most:
            told = Phrase(
                "这段文字最长 %(characters)s 个字（变量按最长计），上限是 %(most)s 个字。",
                characters=characters,
                most=most,
            )
            problems.append(Problem(tree.lineno or 1, "too_long", told))
    return Analysis(tuple(problems), frozenset(walk.used), longest)


class _Walk:
    """One pass over a syntax tree: each method returns the longest output of its node, as `length` measures it.

    `widest`: the most that one character can measure.
    """

    def __init__(self, contract: Contract, length: Callable[[str], int], widest: int) -> None:
        self.contract = contract
        self.problems: list[Problem] = []
        self.used: set[str] = set()
        self._length = length
        self._widest = widest

    def body(self, body: list[nodes.Node]) -> int:
        """All of a template."""
        return self._body(body, 0)

    def _refuse(self, node: nodes.Node, code: str, message: str) -> int:
        self.problems.append(Problem(node.lineno or 1, code, message))
        return 0

    def _body(self, body: list[nodes.Node], depth: int) -> int:
        return sum(self._statement(node, depth + 1) for node in body)

    def _statement(self, node: nodes.Node, depth: int) -> int:
        if depth > MAX_DEPTH:
            return self._too_deep(node)
        match node:
            case nodes.Output():
                return sum(self._text(part, depth + 1) for part in node.nodes)
            case nodes.If():
                return self._if(node, depth)
            case _:
                return self._forbidden(node)

    def _if(self, node: nodes.If, depth: int) -> int:
        if len(node.elif_) > MAX_BRANCHES:
            return self._refuse(node, "too_deep", Phrase("一个 if 最多 %(most)s 个 elif。", most=MAX_BRANCHES))
        self._condition(node.test, depth + 1)
        longest = [self._body(node.body, depth), self._body(node.else_, depth)]
        for branch in node.elif_:
            self._condition(branch.test, depth + 1)
            longest.append(self._body(branch.body, depth))
        return max(longest)

    def _text(self, node: nodes.Node, depth: int) -> int:
        """An expression whose value is text."""
        if depth > MAX_DEPTH:
            return self._too_deep(node)
        match node:
            case nodes.TemplateData():
                return self._literal(node, node.data)
            case nodes.Const(value=str()):
                return self._literal(node, node.value)
            case nodes.Name():
                return self._variable(node)
            case nodes.Concat():
                return sum(self._text(part, depth + 1) for part in node.nodes)
            case nodes.Or() | nodes.And():
                return max(self._text(node.left, depth + 1), self._text(node.right, depth + 1))
            case nodes.CondExpr():
                return self._choice(node, depth)
            case nodes.Filter():
                return self._filter(node, depth)
            case _:
                return self._forbidden(node)

    def _choice(self, node: nodes.CondExpr, depth: int) -> int:
        self._condition(node.test, depth + 1)
        first = self._text(node.expr1, depth + 1)
        if node.expr2 is None:
            return self._refuse(node, "no_else", Phrase("行内的 if 要写明 else，例如 {{ 'A' if x == 'B' else 'C' }}。"))
        return max(first, self._text(node.expr2, depth + 1))

    def _condition(self, node: nodes.Node, depth: int) -> None:
        """An expression that is only asked whether it holds."""
        if depth > MAX_DEPTH:
            self._too_deep(node)
            return
        match node:
            case nodes.Not():
                self._condition(node.node, depth + 1)
            case nodes.And() | nodes.Or():
                self._condition(node.left, depth + 1)
                self._condition(node.right, depth + 1)
            case nodes.Compare():
                self._compare(node, depth)
            case _:
                self._text(node, depth)

    def _compare(self, node: nodes.Compare, depth: int) -> None:
        self._text(node.expr, depth + 1)
        for operand in node.ops:
            if operand.op not in ("eq", "ne", "in", "notin"):
                self._refuse(node, "forbidden", Phrase("变量都是文字，只能用 ==、!=、in、not in 来比较。"))
            self._text(operand.expr, depth + 1)

    def _filter(self, node: nodes.Filter, depth: int) -> int:
        if node.node is None or node.name not in ("trim", "truncate"):
            return self._refuse(
                node,
                "unknown_filter",
                Phrase("没有过滤器 %(name)s；可以用 trim（去掉首尾空白）和 truncate(字数)。", name=node.name),
            )
        inner = self._text(node.node, depth + 1)
        named_or_spread = node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None
        if node.name == "trim":
            if node.args or named_or_spread:
                return self._refuse(node, "bad_argument", Phrase("trim 不带参数。"))
            return inner
        length = node.args[0] if len(node.args) == 1 and not named_or_spread else None
        if not (isinstance(length, nodes.Const) and type(length.value) is int and 0 < length.value <= MAX_TRUNCATE):
            return self._refuse(
                node,
                "bad_argument",
                Phrase("truncate 要写字数，1 到 %(most)s，例如 {{ name | truncate(8) }}。", most=MAX_TRUNCATE),
            )
        # It only shortens, but may put an ellipsis where a shorter last character stood.
        return min(inner + self._length(ELLIPSIS), self._widest * length.value)

    def _variable(self, node: nodes.Name) -> int:
        variable = self.contract.find(node.name)
        if variable is None:
            known = [
                Bilingual(f"{each.name}（{each.zh}）", f"{each.name} ({each.en})") for each in self.contract.variables
            ]
            if node.name in self.contract.withheld:
                why = Phrase(
                    "不能用变量 %(name)s：%(withheld_because)s；可以用的变量：%(known)s。",
                    name=node.name,
                    withheld_because=self.contract.withheld_because,
                    known=known,
                )
                return self._refuse(node, "withheld_variable", why)
            return self._refuse(
                node,
                "unknown_variable",
                Phrase("没有变量 %(name)s；可以用的变量：%(known)s。", name=node.name, known=known),
            )
        self.used.add(node.name)
        return variable.max_bytes  # which is no less than its characters

    def _literal(self, node: nodes.Node, text: str) -> int:
        if has_forbidden_characters(text):
            return self._refuse(node, "control_character", Phrase("文字里有不可见的控制字符，请删掉它后重新输入。"))
        return self._length(text)

    def _too_deep(self, node: nodes.Node) -> int:
        return self._refuse(node, "too_deep", Phrase("嵌套超过 %(most)s 层，请拆得简单一些。", most=MAX_DEPTH))

    def _forbidden(self, node: nodes.Node) -> int:
        what = FORBIDDEN_NAMES.get(type(node).__name__, type(node).__name__)
        return self._refuse(
            node,
            "forbidden",
            Phrase("消息模板里不能用%(what)s；可以用的有：文字、变量、if/elif/else、trim、truncate、~。", what=what),
        )


FORBIDDEN_NAMES = {
    "Assign": Phrase("赋值（set）"),
    "AssignBlock": Phrase("赋值（set）"),
    "Block": "block",
    "Call": Phrase("函数调用"),
    "CallBlock": "call",
    "Const": Phrase("数字等非文字的值，请加上引号"),
    "Extends": "extends",
    "FilterBlock": Phrase("filter 块"),
    "For": Phrase("循环（for）"),
    "FromImport": "import",
    "Getattr": Phrase("属性（.）"),
    "Getitem": Phrase("下标（[]）"),
    "Import": "import",
    "Include": "include",
    "Macro": Phrase("宏（macro）"),
    "Test": Phrase("is 判断"),
    "With": "with",
}
