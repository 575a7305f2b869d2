"""`siyu jobs`: the repeated work of the program, and how it went last."""

from __future__ import annotations

from bot.commands.terminal import AsJson, Config, Workplace, say_json, say_table, work


def jobs(as_json: AsJson = False, config: Config = None) -> None:
    """Each job of the program: how often it runs, when it ran last and runs next, and how it went."""

    async def read(place: Workplace) -> None:
        from datetime import timedelta

        from data.queries import jobs as rows
        from scheduler.jobs import JOBS

        states = await place.db.read(rows.list_states)
        if as_json:
            told = [
                {"name": job.name, "every_seconds": job.every_seconds,
                 "last": states[job.name].model_dump(mode="json") if job.name in states else None}
                for job in JOBS
            ]  # fmt: skip
            say_json(told)
            return

        def row(name: str, every: timedelta) -> tuple[object, ...]:
            state = states.get(name)
            if state is None:
                return name, every, "never", "", "", "", ""
            good = "" if state.outcome == "done" or state.good_at is None else f"; done {place.local(state.good_at)}"
            # What rings every second or two writes down only now and then that it has run.
            due = max(state.started_at + every, place.now)
            took = f"{(state.ended_at - state.started_at).total_seconds():.1f} s"
            return name, every, place.local(state.started_at), took, place.local(due), state.outcome, state.error + good

        found = (row(job.name, timedelta(seconds=job.every_seconds)) for job in JOBS)
        say_table(("NAME", "EVERY", "LAST", "TOOK", "NEXT", "OUTCOME", ""), found, "")

    work(config, read)
