"""Posts mutated callbacks to a bot and counts what comes back: `python -m tests.faults.mutate URL 100000 [seed]`.

The bot at URL (its callback, such as http://127.0.0.1:8080/callback) must use the token, key and company of
`tests.callback.wecom`; with others every mutation ends at the signature.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

import aiohttp
from yarl import URL

from bot import sandbox
from tests.callback.wecom import Sender

PIECES = (
    b"\0", b"\xff", b"\xed\xa0\x80", b"]]>", b"<![CDATA[", b"</xml>", b"<xml>", b"&x;", b"&#0;", b"&#xD800;", b"<!--",
    b"<!DOCTYPE x [<!ENTITY x 'y'>]>", b"<?xml version='1.0' encoding='utf-16'?>", b"<?pi?>", b"%00", b"%ff", b"+",
    b"&", b"=", b"\r\n", b"\xe2\x80\xae", "🧧".encode(), b"9" * 40, b"-1", b"A" * 3000, b"<a>" * 40, b"<Encrypt>",
    b"<Event>", b"<UserID>", b"xmlns:a='b'", b"\xef\xbb\xbf", b"<MemChangeList><Item><b/></Item></MemChangeList>",
)  # fmt: skip
WORKERS = 16
Post = tuple[str, bytes, dict[str, str]]


def load_events() -> list[bytes]:
    """The plaintext of every kind of event."""
    folder = Path(sandbox.__file__).parent / "fixtures"
    return [path.read_bytes().strip() for path in sorted(folder.glob("*.xml"))]


def mutated(rng: random.Random, data: bytes) -> bytes:
    """`data` with one to four places changed: bytes flipped, cut, doubled, moved, or hostile pieces put in."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        to = min(len(data), at + rng.choice((1, 1, 2, 5, 20, 200)))
        data = rng.choice(_CHANGES)(rng, data, at, to)
    return data


_CHANGES: Sequence[Callable[[random.Random, bytes, int, int], bytes]] = (
    lambda rng, data, at, to: data[:at] + rng.randbytes(to - at) + data[to:],
    lambda rng, data, at, to: data[:at] + data[to:],
    lambda rng, data, at, to: data[:to] + data[at:],
    lambda rng, data, at, to: data[:at],
    lambda rng, data, at, to: data[:at] + rng.choice(PIECES) + data[at:],
    lambda rng, data, at, to: data[:at] + rng.choice(PIECES) + data[to:],
    lambda rng, data, at, to: data[to:] + data[:at],
    lambda rng, data, at, to: data[:at] + data[at:to].swapcase() + data[to:],
)


def make_post(rng: random.Random, sender: Sender, events: Sequence[bytes]) -> Post:
    """One callback, mutated before encryption, after it, in the query, in the envelope or on the way."""
    event = rng.choice(events)
    where = rng.choice(("event", "event", "event", "query", "body", "body", "ciphertext", "frame", "headers"))
    headers = {"Content-Type": "text/xml"}
    if where == "event":
        event = mutated(rng, event)
    frame: dict[str, object] = {}
    if where == "frame":
        if rng.random() < 0.5:
            frame["length"] = rng.choice((0, 1, len(event) + rng.randint(-30, 30), 2**31, 2**32 - 1)) % 2**32
        else:
            size = -(20 + len(event) + len(sender.corpid)) % 16
            frame["padding"] = rng.randbytes(size or 16)
    encrypted = sender.encrypt(event, **frame)  # type: ignore[arg-type]
    if where == "ciphertext":  # signed again, as by one who knows the token and not the key
        encrypted = mutated(rng, encrypted.encode()).decode("latin-1")
    path = sender.url(encrypted)
    body = sender.envelope(encrypted, rng.choice((None, "", "1000002")))
    if where == "query":
        start, _, query = path.partition("?")
        path = f"{start}?{quote(mutated(rng, query.encode()), safe='&=+%')}"
    if where == "body":
        body = mutated(rng, body)
    if where == "headers":
        name, value = rng.choice(
            (("Content-Encoding", "gzip"), ("Content-Encoding", "deflate"), ("Content-Type", "multipart/form-data"),
             ("Content-Type", "\x80"), ("Content-Encoding", "br"), ("X-Forwarded-For", "a" * 4000))
        )  # fmt: skip
        headers[name] = value
        if value == "gzip" and rng.random() < 0.7:
            body = gzip.compress(body) if rng.random() < 0.3 else mutated(rng, gzip.compress(body))
    return path, body, headers


async def attack(url: str, count: int, seed: int = 1, *, sender: Sender | None = None) -> Counter[int]:
    """Post `count` mutations to the callback at `url`; how often each status came (0: no answer)."""
    parsed = URL(url)
    sender = sender or Sender(path=parsed.path)
    rng, events, statuses = random.Random(seed), load_events(), Counter[int]()
    posts = iter(range(count))

    async def work(http: aiohttp.ClientSession) -> None:
        for _ in posts:
            path, body, headers = make_post(rng, sender, events)
            target = URL(f"{parsed.origin()}{path}", encoded=True)
            try:
                async with http.post(target, data=body, headers=headers) as response:
                    await response.read()
                    statuses[response.status] += 1
                    if response.status >= 500:
                        print(f"{response.status}: POST {path[:300]!r} {body[:300]!r} {headers}", file=sys.stderr)  # noqa: T201
            except aiohttp.ClientError:
                statuses[0] += 1

    # A connection each: what the bot closes after a refusal must not fail the next post.
    connector = aiohttp.TCPConnector(force_close=True, limit=WORKERS)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as http:
        await asyncio.gather(*(work(http) for _ in range(WORKERS)))
    return statuses


def main() -> None:
    """The command line."""
    url, count = sys.argv[1], int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    started = time.monotonic()
    statuses = asyncio.run(attack(url, count, seed))
    print(f"{count} callbacks in {time.monotonic() - started:.0f} s: {dict(sorted(statuses.items()))}")  # noqa: T201
    sys.exit(any(status >= 500 for status in statuses))


if __name__ == "__main__":
    main()
