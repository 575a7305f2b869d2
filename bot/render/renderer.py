"""Templates to words: parsed, checked and compiled once, then filled with values under their contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, reduce
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateSyntaxError
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bot.phrases import Phrase
from bot.render.contracts import LINK_PREFIX, SAMPLE_LINK, Contract, contract_for
from bot.render.grammar import (
    ELLIPSIS,
    MAX_SOURCE_BYTES,
    Analysis,
    Problem,
    TemplateError,
    analyse,
    byte_length,
    has_forbidden_characters,
)
from bot.render.values import clean_value, clip, is_visible

CACHED_TEMPLATES = 512


def shipped_templates() -> Path:
    """The folder of the templates that come with the program."""
    return Path(__file__).resolve().parents[2] / "templates" / "messages"


def truncate(text: str, length: int) -> str:
    """At most `length` characters of `text`; an ellipsis takes the place of the last one where something was
    cut.
    """
    return text if len(text) <= length else clip_characters(text, length - 1) + ELLIPSIS


def clip_characters(text: str, length: int) -> str:
    """At most `length` code points, ending between two characters as read."""
    return clip(text, byte_length(text[:length]))


@dataclass(frozen=True, slots=True)
class _Compiled:
    analysis: Analysis
    template: Template | None


class Renderer:
    """Checks and renders message templates.

    `folder` holds the shipped templates as `<kind>/<slug>.j2`; edited ones take their place (`publish`). Texts written
    by people are given as source.
    Compiled templates are kept, the least recently used are dropped. Safe to use from several threads.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or shipped_templates()
        self._environment = _environment()
        self._compiled = lru_cache(maxsize=CACHED_TEMPLATES)(self._compile)
        self._shipped = lru_cache(maxsize=CACHED_TEMPLATES)(self._read)
        self._published: Mapping[tuple[str, str], str] = {}
        #: Which publications the renderer knows.
        self.published_stamp = 0

    def publish(self, edited: Mapping[tuple[str, str], str], stamp: int) -> None:
        """From now on these templates, by kind and slug, say something else than what is shipped; all others do not."""
        self._published, self.published_stamp = dict(edited), stamp

    def source(self, kind: str, slug: str) -> str:
        """What a template says: as it was edited, if that can be used, or as it is shipped.

        Raises TemplateError naming the ones that exist. What was right when it was edited may be wrong for a later
        version of the program, which knows other variables.
        """
        shipped = self._shipped(kind, slug)
        edited = self._published.get((kind, slug))
        return shipped if edited is None or self.check(kind, edited, slug) else edited

    def shipped(self, kind: str, slug: str) -> str:
        """What a template says as it is shipped. Raises TemplateError."""
        return self._shipped(kind, slug)

    def slugs(self, kind: str) -> list[str]:
        """The names of the shipped templates of a kind, sorted."""
        return sorted(path.stem for path in (self._folder / kind).glob("*.j2"))

    def check(self, kind: str, source: str, slug: str = "") -> list[Problem]:
        """Everything that is wrong with `source` as a template of this kind; an empty list promises that it
        renders.

        For any values at all the text then stays within the contract's limit in bytes.
        """
        return list(self._compiled(contract_for(kind, slug), source).analysis.problems)

    def variables_of(self, kind: str, source: str, slug: str = "") -> frozenset[str]:
        """The variables that `source` may show or ask. Raises TemplateError if it cannot be used."""
        return self._usable(contract_for(kind, slug), source).analysis.variables

    def links_of(self, kind: str, source: str, slug: str = "") -> frozenset[str]:
        """The names of the tracked links that `source` shows; none where it cannot be used."""
        contract = contract_for(kind, slug)
        if not contract.has_links or LINK_PREFIX not in source:
            return frozenset()
        used = self._compiled(contract, source).analysis.variables
        return frozenset(each.removeprefix(LINK_PREFIX) for each in used if each.startswith(LINK_PREFIX))

    def needs_fetch(self, kind: str, source: str, slug: str = "") -> bool:
        """Whether `source` uses a variable that no event carries. Raises TemplateError if it is refused."""
        contract = contract_for(kind, slug)
        used = self._usable(contract, source).analysis.variables
        return any(variable.needs_fetch for variable in contract.variables if variable.name in used)

    def longest_bytes(self, kind: str, source: str, slug: str = "") -> int:
        """The most bytes that `source` can become with any values. Raises TemplateError if it is refused."""
        return self._usable(contract_for(kind, slug), source).analysis.max_bytes

    def render(self, kind: str, slug: str, values: Mapping[str, str | None]) -> str:
        """A template as words. Raises TemplateError."""
        return self.render_source(kind, self.source(kind, slug), values, slug)

    def render_source(self, kind: str, source: str, values: Mapping[str, str | None], slug: str = "") -> str:
        """`source` as words.

        A value that is None, missing or invisible becomes its variable's fallback; values are taken as plain
        text and clipped to their variable's length. Raises TemplateError, also for a value that the contract
        does not know.
        """
        contract = contract_for(kind, slug)
        compiled = self._usable(contract, source)
        assert compiled.template is not None
        for name in values:
            if contract.find(name) is None:
                raise TemplateError(
                    Phrase("模板 %(kind)s/%(slug)s 没有变量 %(name)s。", kind=kind, slug=slug or "…", name=name),
                    Phrase("可以用的变量：%(names)s。", names=contract.names),
                )
        try:
            text = compiled.template.render(_filled(contract, values))
        except JinjaError as error:
            raise TemplateError(
                Phrase("模板 %(kind)s/%(slug)s 无法生成文字：%(error)s。", kind=kind, slug=slug or "…", error=error)
            ) from error
        if byte_length(text) > contract.max_output_bytes:
            raise TemplateError(
                Phrase(
                    "生成的文字有 %(size)s 字节，超过上限 %(most)s 字节。",
                    size=byte_length(text),
                    most=contract.max_output_bytes,
                )
            )
        return text

    def preview(self, kind: str, source: str, slug: str = "") -> str:
        """`source` with a sample for each variable. Raises TemplateError."""
        links = {f"{LINK_PREFIX}{name}": SAMPLE_LINK for name in self.links_of(kind, source, slug)}
        return self.render_source(kind, source, contract_for(kind, slug).samples() | links, slug)

    def _usable(self, contract: Contract, source: str) -> _Compiled:
        compiled = self._compiled(contract, source)
        if compiled.template is None:
            told = (
                Phrase("第 %(line)s 行：%(words)s", line=each.line, words=each.message)
                for each in compiled.analysis.problems
            )
            faults = reduce(lambda first, then: Phrase("%(first)s %(then)s", first=first, then=then), told)
            raise TemplateError(
                Phrase("这个 %(kind)s 模板不能使用。%(faults)s", kind=contract.kind, faults=faults),
                Phrase("请修改模板后再试。"),
            )
        return compiled

    def _compile(self, contract: Contract, source: str) -> _Compiled:
        if byte_length(source) > MAX_SOURCE_BYTES:
            return _refused(1, "source_too_long", Phrase("模板超过 %(most)s 字节。", most=MAX_SOURCE_BYTES))
        if has_forbidden_characters(source.replace("\r\n", "\n")):
            return _refused(1, "control_character", Phrase("模板里有不可见的控制字符，请删掉它后重新输入。"))
        try:
            escaped = self._escaped(source)
            if escaped:
                return escaped
            analysis = analyse(self._environment.parse(source), contract)
            template = None if analysis.problems else self._environment.from_string(source)
        except TemplateSyntaxError as error:
            return _refused(error.lineno, "syntax", Phrase("语法错误：%(error)s", error=error.message))
        except RecursionError:
            return _refused(1, "too_deep", Phrase("嵌套太深，请拆得简单一些。"))
        except (ValueError, SyntaxError) as error:
            # A number of thousands of digits, a broken escape in a string: the lexer passes Python's own
            # error on.
            return _refused(1, "syntax", Phrase("语法错误：%(error)s", error=error))
        return _Compiled(analysis, template)

    def _escaped(self, source: str) -> _Compiled | None:
        """A refusal if a quoted text in `source` holds a backslash: an escape could make any character."""
        for line, kind, value in self._environment.lex(source):
            if kind == "string" and "\\" in value:
                return _refused(line, "backslash", Phrase("引号里的文字不能有反斜杠；反斜杠可以直接写在模板正文里。"))
        return None

    def _read(self, kind: str, slug: str) -> str:
        if slug not in self.slugs(kind):
            known = self.slugs(kind) or Phrase("无")
            raise TemplateError(
                Phrase("没有消息模板 %(kind)s/%(slug)s。", kind=kind, slug=slug),
                Phrase("这一类现有的模板：%(known)s。", known=known),
            )
        return (self._folder / kind / f"{slug}.j2").read_text("utf-8")


def _refused(line: int, code: str, message: str) -> _Compiled:
    return _Compiled(Analysis((Problem(line, code, message),), frozenset(), 0), None)


def _filled(contract: Contract, values: Mapping[str, str | None]) -> dict[str, str]:
    """What stands for each variable. Nothing stands in for a link: a text without it would make no sense."""
    filled = {name: value for name, value in values.items() if value and name.startswith(LINK_PREFIX)}
    for variable in contract.variables:
        value = clean_value(values.get(variable.name) or "")
        if not is_visible(value):
            value = variable.fallback
        if contract.neutral_markup:
            value = value.replace("<", "＜")
        filled[variable.name] = clip(value, variable.max_bytes)
    return filled


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, cache_size=0
    )
    environment.globals.clear()
    environment.tests.clear()
    environment.filters = {"trim": str.strip, "truncate": truncate}
    return environment
