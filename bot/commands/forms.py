"""`siyu forms`: what customers fill in on a page of their own, written in files, and what they have answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands import shipped
from bot.commands.campaign_files import File, read_definition
from bot.commands.terminal import AsJson, Config, Limit, Workplace, cut, refuse, say, say_json, say_table, work

if TYPE_CHECKING:
    from data.models import FormRow

app = typer.Typer(no_args_is_help=True, help="Forms (表单) that customers fill in on the phone, written in files.")

FormId = Annotated[int, typer.Argument(metavar="ID", min=1, max=2**62, help="The form's number.")]

app.command("shipped")(shipped.forms)


@app.command()
def check(file: File, config: Config = None) -> None:
    """What is wrong with a form in a file."""

    async def action(place: Workplace) -> str:
        from bot.forms import check_form

        return (await place.db.read(check_form, read_definition(file))).name

    say(f"{work(config, action)}: nothing is wrong with it.")


@app.command()
def make(
    file: File,
    fields: Annotated[bool, typer.Option("--fields", help="Define the fields that it writes into and that are not.")]
    = False,
    config: Config = None,
) -> None:  # fmt: skip
    """Make a form of a file, which customers can fill in from then on; prints its address."""

    async def action(place: Workplace) -> dict[str, Any]:
        from bot.forms import define_fields, make_form

        said = {name: value for name, value in read_definition(file).items() if name != "version"}
        if fields:
            defined = await place.db.write(define_fields, said, place.now)
            for each in defined:
                typer.echo(f"Field {each} is defined.", err=True)
        return (await _tell(place, [await place.db.write(make_form, said, "command", place.now)]))[0]

    made = work(config, action)
    say(_address(made))
    typer.echo(f"Form {made['id']} {made['name']} is made. In texts: {{{{ link_{made['name']} }}}}", err=True)


@app.command()
def edit(form_id: FormId, file: File, config: Config = None) -> None:
    """Change what it asks: the file has the `version` that was read, and what is to be another."""

    async def action(place: Workplace) -> FormRow:
        from bot.forms import change_form

        return await place.db.write(change_form, form_id, read_definition(file))

    row = work(config, action)
    say(f"Form {row.id} {row.name} is at version {row.version}.")


@app.command("list")
def list_forms(limit: Limit = 20, as_json: AsJson = False, config: Config = None) -> None:
    """Forms, newest first, and how often they were answered."""

    async def action(place: Workplace) -> list[dict[str, Any]]:
        from data.queries import forms as rows

        return await _tell(place, await place.db.read(rows.list_forms, limit))

    found = work(config, action)
    if as_json:
        say_json(found)
        return
    say_table(
        ("ID", "NAME", "TITLE", "CUSTOMERS", "ANSWERS", "ADDRESS"),
        (
            (each["id"], each["name"], cut(each["definition"]["title"], 32), each["customers"], each["answers"],
             _address(each))
            for each in found
        ),
        "There is no form. Make one: siyu forms shipped birthday > FILE, siyu forms make FILE --fields",
    )  # fmt: skip


@app.command()
def show(
    form_id: FormId,
    as_file: Annotated[bool, typer.Option("--file", help="Only what it asks, for `edit` and `make`.")] = False,
    config: Config = None,
) -> None:
    """One form as JSON."""

    async def action(place: Workplace) -> dict[str, Any]:
        from bot.forms import export_form
        from data.queries import forms as rows

        if as_file:
            return await place.db.read(export_form, form_id)
        return (await _tell(place, [await place.db.read(rows.get_form, form_id)]))[0]

    say_json(work(config, action))


@app.command()
def close(form_id: FormId, config: Config = None) -> None:
    """Have nobody fill it in any more; what was answered stays."""
    _close(config, form_id, closed=True)


@app.command("open")
def open_form(form_id: FormId, config: Config = None) -> None:
    """Have it filled in again."""
    _close(config, form_id, closed=False)


def _close(config: Config, form_id: int, *, closed: bool) -> None:
    async def action(place: Workplace) -> FormRow:
        from data.queries import forms as rows

        return await place.db.write(rows.close_form, form_id, place.now if closed else None)

    row = work(config, action)
    say(f"Form {row.id} {row.name} is {'closed' if closed else 'open'}.")


@app.command()
def answers(
    form_id: Annotated[int | None, typer.Argument(metavar="[ID]", min=1, max=2**62, help="The form's number.")] = None,
    customer: Annotated[str | None, typer.Option("--customer", help="Those of one customer, to any form.")] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """What customers have answered, newest first, corrections among them: to one form, or all of one customer."""
    if (form_id is None) == (customer is None):
        refuse("Name a form by its number, or a customer with --customer.")

    async def action(place: Workplace) -> list[tuple[dict[str, Any], str]]:
        from data.queries import form_answers, forms

        if form_id is None:
            found = await place.db.read(form_answers.list_of_customer, customer or "", limit)
        else:
            await place.db.read(forms.get_form, form_id)
            found = await place.db.read(form_answers.list_answers, form_id, limit)
        return [(dict(each), place.local(each["answered_at"])) for each in found]

    found = work(config, action)
    if as_json:
        say_json([each for each, _ in found])
        return
    from data.rules.form_answers import words_of

    say_table(
        ("FORM", "EXTERNAL_USERID", "ANSWERED", "ANSWERS"),
        ((each["form"], each["external_userid"], at, cut(words_of(each["answers"]), 80)) for each, at in found),
        "Nobody has answered yet.",
    )


async def _tell(place: Workplace, forms: list[FormRow]) -> list[dict[str, Any]]:
    from bot.forms import tell_forms

    return await place.db.read(tell_forms, forms, place.settings.server.public_url)


def _address(told: dict[str, Any]) -> str:
    if told["closed_at"] is not None:
        return "(closed)"
    return told["address"] or f"(server.public_url is not set)/f/{told['name']}"
