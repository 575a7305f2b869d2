"""What Prometheus sees at `/metrics`. One object per process, built in `bot/app.py` and passed to who counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)


class Metrics:
    """The program's counters, gauges and histograms."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.callbacks_refused = Counter(
            "siyu_callbacks_refused", "Callbacks answered with 4xx.", ["callback", "reason"], registry=registry
        )
        self.callbacks_unanswered = Counter(
            "siyu_callbacks_unanswered", "Callbacks not stored in time, left for WeCom to repeat.", ["callback"],
            registry=registry,
        )  # fmt: skip
        self.events_received = Counter(
            "siyu_events_received", "Events verified and decrypted.", ["callback", "kind"], registry=registry
        )
        self.events_acknowledged = Counter(
            "siyu_events_acknowledged", "Events stored durably and acknowledged.", ["callback"], registry=registry
        )
        self.events_duplicate = Counter(
            "siyu_events_duplicate", "Events that WeCom sent again.", ["callback"], registry=registry
        )
        self.events_handled = Counter(
            "siyu_events_handled", "Outcomes by handler.", ["handler", "status"], registry=registry
        )
        self.events_failed = Counter("siyu_events_failed", "Tries that failed.", ["handler"], registry=registry)
        self.events_dead = Counter("siyu_events_dead", "Events given up, waiting for a person.", registry=registry)
        self.inbox_tasks = Gauge("siyu_inbox_tasks", "Open and dead tasks.", ["status"], registry=registry)
        self.inbox_lag_seconds = Gauge(
            "siyu_inbox_lag_seconds", "Age of the oldest event that waits.", registry=registry
        )
        self.ack_seconds = Histogram(
            "siyu_ack_seconds", "From a callback's arrival to its acknowledgement.", buckets=LATENCY_BUCKETS,
            registry=registry,
        )  # fmt: skip
        self.welcome_seconds = Histogram(
            "siyu_welcome_seconds", "From an add event's arrival to the accepted welcome.", buckets=LATENCY_BUCKETS,
            registry=registry,
        )  # fmt: skip
        self.welcomes = Counter("siyu_welcomes", "Welcomes by outcome.", ["status", "reason"], registry=registry)
        self.kf_messages = Counter(
            "siyu_kf_messages", "Messages of customer service, by what became of them.", ["outcome"], registry=registry
        )
        self.wecom_calls = Counter(
            "siyu_wecom_calls", "Calls to WeCom by API and errcode.", ["api", "code"], registry=registry
        )
        self.wecom_seconds = Histogram(
            "siyu_wecom_seconds", "Time a call to WeCom took.", ["api"], buckets=LATENCY_BUCKETS, registry=registry
        )
        self.loop_lag_seconds = Histogram(
            "siyu_loop_lag_seconds", "How late the event loop was.", buckets=LATENCY_BUCKETS, registry=registry
        )
        self.link_clicks = Counter(
            "siyu_link_clicks", "Tracked links followed, by who it was.", ["visitor"], registry=registry
        )
        self.webhooks = Counter(
            "siyu_webhooks", "Calls of journeys to other programs, by what came of a try.", ["outcome"],
            registry=registry,
        )  # fmt: skip
        self.jobs = Counter("siyu_jobs", "Runs of scheduled jobs.", ["job", "status"], registry=registry)

    def count_call(self, api: str, code: int | str, seconds: float) -> None:
        """Count one call to WeCom."""
        self.wecom_calls.labels(api, str(code)).inc()
        self.wecom_seconds.labels(api).observe(seconds)

    def list_refused_calls(self) -> list[tuple[str, str, int]]:
        """(API, errcode, how often) of the calls that WeCom refused or did not answer, the most frequent first."""
        found = [
            (each.labels["api"], each.labels["code"], int(each.value))
            for metric in self.wecom_calls.collect()
            for each in metric.samples
            if each.name.endswith("_total") and each.labels["code"] != "0"
        ]
        return sorted(found, key=lambda each: (-each[2], *each[:2]))

    def exposition(self) -> bytes:
        """The text format of Prometheus."""
        return generate_latest(self.registry)
