"""Strangers who ask again and again for what is not there: where they ask from, and how long they have to wait."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

#: Addresses remembered; an attacker must not fill the memory.
REMEMBERED = 10_000
#: One visitor has as many IPv6 addresses as they like, all in one network of this length.
IPV6_PREFIX = 64

Network = IPv4Network | IPv6Network


class Throttle:
    """A bucket of tokens for each address: a miss takes one, and `per_minute` a minute come back, up to so many.

    An address whose bucket is empty waits. An address that is not remembered has a full one. `per_minute` 0: nobody
    waits.
    """

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, address: str) -> float:
        """How long an address has to wait; 0: not at all."""
        if not self._per_minute or not address:
            return 0.0
        return max(0.0, 1.0 - self._tokens(address)) * 60.0 / self._per_minute

    def miss(self, address: str) -> bool:
        """An address has asked for what is not there; whether it has to wait from now on."""
        if not self._per_minute or not address:
            return False
        left = max(0.0, self._tokens(address) - 1.0)
        self._buckets[address] = left, self._now()
        self._buckets.move_to_end(address)
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        return left < 1.0

    def _tokens(self, address: str) -> float:
        left, at = self._buckets.get(address, (float(self._per_minute), 0.0))
        return min(float(self._per_minute), left + (self._now() - at) * self._per_minute / 60.0)


def networks_of(words: Iterable[str]) -> tuple[Network, ...]:
    """Networks and single addresses as they are written in settings. Raises ValueError."""
    return tuple(ip_network(each) for each in words)


def visitor_address(remote: str | None, forwarded: str, proxies: tuple[Network, ...]) -> str:
    """Where a request comes from: `remote`, or whom the proxies among `proxies` have asked for.

    `forwarded` is the header X-Forwarded-For, to which each proxy adds who asked it: what stands before the last
    address that is no proxy of ours may be made up. Empty: a proxy did not say. Of IPv6 it is the network.
    """
    for hop in reversed([*forwarded.split(","), remote or ""]):
        try:
            address = ip_address(hop.strip())
        except ValueError:
            return ""
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        if any(address in network for network in proxies):
            continue
        if isinstance(address, IPv6Address):
            return str(ip_network((int(address), IPV6_PREFIX), strict=False))
        return str(address)
    return ""
