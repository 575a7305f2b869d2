"""`siyu media`: the library of files that messages carry."""

from __future__ import annotations

import json
from os import SEEK_END
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.terminal import AsJson, Config, Workplace, refuse, say, say_json, say_table, work

if TYPE_CHECKING:
    from data.db import Database

app = typer.Typer(no_args_is_help=True, help="Files that messages carry.")

Key = Annotated[str, typer.Argument(metavar="KEY", help="The file's key or its beginning.")]


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="JPG, PNG or MP4, or any other file.", exists=True, dir_okay=False)],
    kind: Annotated[
        str | None, typer.Option("--kind", help="image, video or file; as the bytes say if not given.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What customers see; the file's own if not given.")] = None,
    config: Config = None,
) -> None:
    """Add a file. Its key is how rules name it."""
    if kind not in (None, "image", "video", "file"):
        refuse("--kind is image, video or file.")

    async def action(place: Workplace) -> dict[str, Any]:
        from bot.media_files import LARGEST_BYTES, add_media

        try:
            with file.open("rb") as opened:
                content = opened.read(LARGEST_BYTES + 1)
                size = opened.seek(0, SEEK_END)
        except OSError as error:
            refuse(f"{file} cannot be read ({error.strerror}).")
        if size > LARGEST_BYTES:
            refuse(f"{file} has {size:,} bytes; WeCom takes at most {LARGEST_BYTES:,}.")
        return await place.db.write(add_media, name or file.name, content, kind, place.now)

    kept = work(config, action)
    say(kept["media"])
    typer.echo(f"{kept['filename']} is kept as {kept['kind']}.", err=True)


@app.command("list")
def list_files(config: Config = None, as_json: AsJson = False) -> None:
    """The library, and how many use each file."""
    from bot.media_files import list_media

    found = work(config, lambda place: place.db.read(list_media))
    if as_json:
        say_json(found)
        return
    say_table(
        ("KEY", "KIND", "BYTES", "USED BY", "NAME"),
        (
            (row["media"][:12], row["kind"], f"{row['size_bytes']:,}", len(row["used_by"]), row["filename"])
            for row in found
        ),
        "The library is empty. Add a file: siyu media add poster.jpg",
    )


@app.command()
def show(key: Key, config: Config = None, as_json: AsJson = False) -> None:
    """One file and who uses it."""
    from bot.media_files import USER_WORDS

    found = work(config, lambda place: from_library(place.db, key))
    if as_json:
        say_json(found)
        return
    say(f"{found['media']}\n{found['filename']}, {found['kind']}, {found['size_bytes']:,} bytes\n")
    say_table(
        ("USED BY", "ID", "NAME"),
        ((USER_WORDS[use["kind"]], use["id"], use["name"]) for use in found["used_by"]),
        "Nothing uses it.",
    )


@app.command()
def remove(
    key: Key, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, config: Config = None
) -> None:
    """Remove a file that nothing uses."""
    from bot.media_files import remove_media

    found = work(config, lambda place: from_library(place.db, key))
    if not yes and not found["used_by"]:
        typer.confirm(f"Remove {found['media'][:12]}?", abort=True)
    work(config, lambda place: place.db.write(remove_media, found["media"]))
    say(f"{found['filename']} is removed.")


async def from_library(db: Database, key: str) -> dict[str, Any]:
    """The one file whose key begins so; refuses where there is none or several."""
    from bot.media_files import list_media

    found = [row for row in await db.read(list_media) if row["media"].startswith(key)]
    if len(found) != 1:
        refuse(f"{key!r} names {'no' if not found else 'more than one'} file: see siyu media list.")
    return found[0]


async def attachment_of_file(db: Database, key: str) -> dict[str, Any]:
    """The attachment that shows a file of the library."""
    found = await from_library(db, key)
    return {"msgtype": found["kind"], found["kind"]: {"media": found["media"]}}


def attachment_from_json(text: str) -> Any:
    """An attachment as somebody typed it. Ends the command if that is not JSON."""
    try:
        return json.loads(text)
    except ValueError as error:
        refuse(f"--attachment is not JSON: {error}.")
