"""`siyu limits`: how much may reach a customer and when staff are asked, as the console's page sets it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.terminal import AsJson, Config, Workplace, load, refuse, say, say_json, say_table, work

if TYPE_CHECKING:
    from bot.config import Settings

app = typer.Typer(no_args_is_help=True, help="Limits and hours: the file's values, unless others are set here.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Such as campaigns.hours; siyu limits show lists them.")]


@app.command()
def show(config: Config = None, as_json: AsJson = False) -> None:
    """What holds now, what the configuration file says, and which of them are set here or in the console."""
    filed = load(config)

    async def action(place: Workplace) -> list[dict[str, Any]]:
        from bot.kept import EDITABLE

        return [
            {
                "name": f"{section}.{name}",
                "value": _of(place.settings, section, name),
                "filed": _of(filed, section, name),
            }
            for section, names in EDITABLE.items()
            for name in names
        ]

    found = work(config, action)
    if as_json:
        say_json(found)
        return
    say_table(
        ("NAME", "VALUE", "IN THE FILE"),
        (
            (
                each["name"],
                _words(each["value"]),
                _words(each["filed"]) if each["value"] != each["filed"] else "the same",
            )
            for each in found
        ),
        "There is none.",
    )


@app.command("set")
def set_one(
    name: Name,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="A number, 08:00-22:00, a word; several with commas.")],
    config: Config = None,
) -> None:
    """Let one be another from now on; a running bot goes by it within seconds."""
    section, _, field = name.partition(".")

    def change(filed: Settings, wanted: dict[str, dict[str, Any]]) -> None:
        there = _of(filed, section, field)
        typed: Any = value
        if isinstance(there, int):
            if not value.isascii() or not value.isdecimal():
                refuse(f"{name} is a whole number, not {value!r}.")
            typed = int(value)
        elif isinstance(there, list):
            typed = [each.strip() for each in value.split(",") if each.strip()]
        wanted.setdefault(section, {})[field] = typed

    _keep(config, name, change)


@app.command()
def reset(name: Name, config: Config = None) -> None:
    """Let one be what the configuration file says again."""
    section, _, field = name.partition(".")

    def change(_filed: Settings, wanted: dict[str, dict[str, Any]]) -> None:
        wanted.get(section, {}).pop(field, None)

    _keep(config, name, change)


def _keep(config: Config, name: str, change: Any) -> None:
    from bot.kept import EDITABLE

    section, _, field = name.partition(".")
    if field not in EDITABLE.get(section, ()):
        refuse(f"{name} is no limit that is set here; siyu limits show lists them.")
    filed = load(config)

    async def action(place: Workplace) -> Any:
        from bot import kept
        from data.queries import kept as rows

        row = await place.db.read(rows.find_kept, rows.SETTINGS)
        wanted = {each: dict(values) for each, values in (row.value if row else {}).items()}
        change(filed, wanted)
        await place.db.write(
            kept.keep_settings, filed, wanted, "command", place.now, revision=row.revision if row else 0
        )  # fmt: skip
        return _of(await kept.settings_now(place.db, filed), section, field)

    say(f"{name} is {_words(work(config, action))} from now on.")


def _of(settings: Settings, section: str, name: str) -> Any:
    value = getattr(getattr(settings, section), name)
    return list(value) if isinstance(value, tuple) else value


def _words(value: Any) -> str:
    return ",".join(str(each) for each in value) if isinstance(value, list) else str(value)
