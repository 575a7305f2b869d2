"""config.example.toml and the reference of settings say exactly what bot/config.py says."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from bot import kept
from bot.config import CallbackSettings, Settings, load_settings
from bot.config_caps import CapsSettings
from bot.config_section import Section
from bot.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config.example.toml"
REFERENCE = ROOT / "docs" / "reference" / "settings.md"
#: A setting without a default is shown with an example.
NO_DEFAULT = {"server.verify_files", "backup.folder"}


@dataclass(frozen=True)
class Setting:
    """One setting as the program knows it."""

    default: Any
    says: str
    choices: tuple[str, ...]


def plain(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def settings_of(model: type[Any], prefix: str = "") -> Iterator[tuple[str, Setting]]:
    fields: dict[str, FieldInfo] = model.model_fields
    for name, field in fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from settings_of(field.annotation, f"{name}.")
            continue
        choices = tuple(each for each in get_args(field.annotation) if isinstance(each, str))
        yield f"{prefix}{name}", Setting(plain(field.default), field.description or "", choices)


def all_settings() -> dict[str, Setting]:
    found = dict(settings_of(Settings))
    del found["callbacks"]
    return found | dict(settings_of(CallbackSettings, "callbacks."))


def test_every_setting_is_described() -> None:
    assert [name for name, setting in all_settings().items() if not setting.says] == []


def example_lines() -> Iterator[tuple[str, Any, str]]:
    """(name, value, comment above it) of every setting in the example, set or commented out."""
    section, comment = "", ""
    for line in EXAMPLE.read_text("utf-8").splitlines():
        if header := re.fullmatch(r"\[+(\w+)\]+", line):
            section, comment = f"{header[1]}.", ""
        elif setting := re.fullmatch(r"(?:# )?(\w+) = (.+)", line):
            (value,) = tomllib.loads(f"x = {setting[2]}").values()
            yield f"{section}{setting[1]}", value, comment
            comment = ""
        else:
            comment = line.removeprefix("# ")


def test_the_example_holds_every_setting_once_with_its_default_and_description() -> None:
    lines = list(example_lines())
    known = all_settings()
    assert [name for name, _, _ in lines] == list(ordered(known))
    for name, value, comment in lines:
        setting = known[name]
        wanted = [setting.says, *(["None by default."] if name in NO_DEFAULT else []), *choices_words(setting)]
        assert comment == " ".join(wanted), name
        if name not in NO_DEFAULT:
            assert value == (list(setting.default) if isinstance(setting.default, tuple) else setting.default), name
            assert setting.default is not None, f"{name} has no default: list it in NO_DEFAULT"


def ordered(known: dict[str, Setting]) -> Iterator[str]:
    """Names in the order of the file: as in the program, callbacks where `Settings` has them."""
    callbacks = [name for name in known if name.startswith("callbacks.")]
    others = [name for name in known if name not in callbacks]
    for index, name in enumerate(others):
        yield name
        if name.startswith("app.") and not others[index + 1].startswith("app."):
            yield from callbacks


def choices_words(setting: Setting) -> list[str]:
    *first, last = setting.choices or ("",)
    return [f"{', '.join(first)} or {last}."] if first else []


def test_every_section_is_introduced_by_its_own_sentence() -> None:
    text = EXAMPLE.read_text("utf-8")
    sections = {name: field.annotation for name, field in Settings.model_fields.items()}
    for name, section in {**sections, "callbacks": CallbackSettings}.items():
        if isinstance(section, type) and issubclass(section, Section):
            header = f"[[{name}]]" if name == "callbacks" else f"[{name}]"
            above = text.split(f"\n{header}\n")[0].split("\n\n")[-1].splitlines()
            assert f"# {section.__doc__}" in above, name
    assert f"# {Settings.model_fields['callbacks'].description}" in text.splitlines()


def test_the_example_can_be_loaded_as_it_is_and_with_everything_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SIYU_CONFIG", raising=False)
    path = tmp_path / "config.toml"
    path.write_text(EXAMPLE.read_text("utf-8"), "utf-8")
    path.chmod(0o600)
    wanted = Settings(callbacks=(CallbackSettings(),))
    assert load_settings(path).model_dump() == wanted.model_dump()
    path.write_text(re.sub(r"^# (\w+ = )", r"\1", EXAMPLE.read_text("utf-8"), flags=re.M), "utf-8")
    everything = load_settings(path)
    assert everything.server.verify_files == Path("var/verify")
    assert everything.backup.folder == Path("var/backups")
    shown = everything.model_copy(update={"server": wanted.server, "backup": wanted.backup})
    assert shown.model_dump() == wanted.model_dump()


def test_the_reference_holds_every_setting_once_with_its_default_and_description() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \| (.+?) \|$", REFERENCE.read_text("utf-8"), re.M)
    known = all_settings() | {"callbacks": Setting(None, Settings.model_fields["callbacks"].description or "", ())}
    assert sorted(name for name, _, _ in rows) == sorted(known)
    for name, default, says in rows:
        setting = known[name]
        assert says.startswith(setting.says), name
        if setting.default is None:
            assert default == "(none)", name
        else:
            wanted = list(setting.default) if isinstance(setting.default, tuple) else setting.default
            assert json.loads(default.strip("`")) == wanted, name


def test_the_companys_caps_are_said_in_one_way(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.touch(0o600)
    path.write_text("[campaigns]\ncap_count = 2\n[caps]\nper_week = 3\n", "utf-8")
    with pytest.raises(ConfigurationError, match="cap_count is the older way"):
        load_settings(path)
    path.write_text("[campaigns]\ncap_count = 2\n", "utf-8")
    older = load_settings(path)
    assert kept.problems(older, {"caps": {"per_day": 1}}).keys() == {"caps.per_day"}
    assert kept.problems(older, {"caps": {"per_day": 1}, "campaigns": {"cap_count": 0}}) == {}
    assert kept.problems(Settings(caps=CapsSettings(per_day=1)), {"campaigns": {"cap_count": 4}}).keys() == {
        "campaigns.cap_count"
    }
    assert kept.settled(older, {"caps": {"per_day": 1}, "digest": {"days": "all"}}).digest.days == "all"
