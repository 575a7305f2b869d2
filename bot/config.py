"""Typed settings: `config.toml`, then environment variables (`SIYU_APP__SECRET` overrides `secret` under `[app]`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from bot.config_app import AppSettings as AppSettings
from bot.config_caps import BOTH_GIVEN, CapsSettings
from bot.config_drafts import DraftsSettings
from bot.config_file import check_file
from bot.config_kf import KfSettings
from bot.config_section import Seconds, Section, TimeOrNever
from bot.errors import ConfigurationError
from bot.setting_values import Address, Origin, days, fault_words, inbox_beside, network, never_or, none_or_long


class CompanySettings(Section):
    """The company as WeCom knows it."""

    corpid: str = Field("", description="企业ID, on the page 我的企业 of the admin console; starts with ww.")
    name: str = Field("", description="What templates call the company.")
    timezone: str = Field("Asia/Shanghai", description="IANA name; rules and schedules use this local time.")
    holidays: tuple[Annotated[str, AfterValidator(days)], ...] = Field(
        default=(), description='Days on which campaigns may rest: "2026-10-01" or "2026-10-01..2026-10-07".'
    )
    workdays: tuple[Annotated[str, AfterValidator(days)], ...] = Field(
        default=(), description="Saturdays and Sundays on which the company works (调休), written alike."
    )

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"unknown time zone {value!r}; write an IANA name such as Asia/Shanghai") from error
        return value


class CallbackSettings(Section):
    """One callback URL as configured in WeCom (接收消息): its own path, token and key."""

    name: str = Field("app", pattern=r"^[a-z0-9_-]{1,32}$", description="Shown in logs and metrics.")
    path: str = Field("/callback", pattern=r"^/[A-Za-z0-9/_-]*$", description="Path of the URL given to WeCom.")
    token: SecretStr = Field(SecretStr(""), description="Token: up to 32 letters and digits.")
    encoding_aes_key: SecretStr = Field(SecretStr(""), description="EncodingAESKey: 43 letters and digits.")


class WecomSettings(Section):
    """How WeCom's API is reached and how much of it may be used."""

    api_base_url: str = Field("https://qyapi.weixin.qq.com/cgi-bin/", description="Ends with /cgi-bin/.")
    timeout_seconds: Seconds = Field(8, description="Longest wait for one answer.")
    calls_per_minute: int = Field(10_000, gt=0, description="Budget per API and minute; WeCom's own limit is 10,000.")
    calls_per_hour: int = Field(150_000, gt=0, description="Budget per API and hour; WeCom's own limit is 150,000.")
    max_connections: int = Field(64, gt=0, description="Connections kept open to WeCom.")
    authorize_url: Address = Field(
        "https://open.weixin.qq.com/connect/oauth2/authorize",
        description="Where WeCom tells us who opens a page: a tracked link, a form, the sidebar.",
    )
    scan_url: Address = Field(
        "https://login.work.weixin.qq.com/wwlogin/sso/login",
        description="Where a member scans a code to sign in to the console on a computer.",
    )
    jssdk_url: Address = Field(
        "https://wwcdn.weixin.qq.com/node/open/js/wecom-jssdk-2.0.2.js",
        description="WeCom's JS-SDK, by which pages beside a chat know the customer and send words.",
    )
    frame_origins: tuple[Origin, ...] = Field((), description="Origins besides WeCom's that may frame the sidebar.")

    @field_validator("api_base_url")
    @classmethod
    def _ends_with_slash(cls, value: str) -> str:
        return value if value.endswith("/") else value + "/"


class ServerSettings(Section):
    """Where the bot listens."""

    host: str = Field("127.0.0.1", description="Address to listen on; keep loopback behind a reverse proxy.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: str = Field(
        "",
        max_length=96,
        pattern=r"^(https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?)?$",
        description="https:// and the host by which customers reach the bot: tracked links begin with it.",
    )
    trusted_proxies: tuple[Annotated[str, AfterValidator(network)], ...] = Field(
        ("127.0.0.0/8", "::1"), description="Addresses of reverse proxies, whose X-Forwarded-For is believed."
    )
    link_misses_per_minute: int = Field(
        60, ge=0, le=100_000, description="Wrong links that one address may try before it has to wait; 0: any number."
    )
    max_body_bytes: int = Field(262_144, gt=0, description="A callback larger than this is refused.")
    store_deadline_seconds: Seconds = Field(
        4, description="A callback that is not stored by then is left unanswered, so that WeCom sends it again."
    )
    verify_files: Path | None = Field(
        None, description="Folder with the WW_verify_*.txt files that WeCom asks a trusted domain for."
    )

    @field_validator("public_url")
    @classmethod
    def _ends_without_slash(cls, value: str) -> str:
        return value.rstrip("/")


class DatabaseSettings(Section):
    """Where everything is kept: SQLite for one process, PostgreSQL for many."""

    url: str = Field("sqlite:///var/siyu.db", description="sqlite:///path or postgresql://user:password@host/name.")
    inbox_url: str = Field(
        "", description="Empty: on SQLite a file of its own beside the main one, on PostgreSQL the same database."
    )

    @field_validator("url", "inbox_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value and not value.startswith(("sqlite:///", "postgresql://", "postgres://")):
            raise ValueError("not supported; write sqlite:///path or postgresql://user:password@host/name")
        return value


class InboxSettings(Section):
    """How events are kept and retried."""

    concurrency: int = Field(64, gt=0, description="Events handled at the same time.")
    lease_seconds: Seconds = Field(60, description="A claimed event returns after this if its process died.")
    max_attempts: int = Field(20, gt=0, description="Tries before an event rests as a dead letter.")
    retention_days: int = Field(30, gt=0, description="Handled events are kept this long; dead letters stay.")


class WelcomeSettings(Section):
    """The first message to a new customer."""

    fetch_wait_seconds: Seconds = Field(
        2.0, description="Longest wait for the customer's name before its fallback word is used."
    )
    media_wait_seconds: Seconds = Field(
        6.0, description="Longest wait for attachments to be uploaded before the text goes alone."
    )
    to_opted_out: bool = Field(
        True, description="Greet customers who want no or fewer messages too, when they themselves add a staff member."
    )


class SyncSettings(Section):
    """The nightly reading of everything that WeCom shows, which mends what missed events left wrong."""

    at: TimeOrNever = Field("03:10", description="Local time it begins each night; empty: never.")
    first: bool = Field(True, description="The running bot begins the first one itself, once it knows the staff.")


class CampaignsSettings(Section):
    """Campaigns: what holds for all of them."""

    hours: str = Field(
        "08:00-22:00",
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="Local time in which staff are asked to send; 00:00-00:00 is always.",
    )
    wecom_cap: Literal["month", "week", "day"] = Field(
        "month",
        description="Group-sends that WeCom lets reach a customer: as many a month as it has days, 7 a week, 1 a day.",
    )
    cap_count: int = Field(
        0, ge=0, le=1000, description="Older than [caps], and instead of it: so many within cap_days; 0: any number."
    )
    cap_days: int = Field(7, ge=1, le=365, description="Days of the company's calendar, today included.")
    remind_after_hours: int = Field(
        4, ge=0, le=720, description="Staff who have not confirmed by then are reminded, then daily; 0: never."
    )
    escalate_after_hours: int = Field(
        24, ge=0, le=720, description="Leaders hear, daily, of staff who have not confirmed by then; 0: never."
    )
    managers: tuple[str, ...] = Field(
        (), description="userids of those who are told of every campaign, and may act on it, as its owner may."
    )
    brake_refused_percent: int = Field(
        30, ge=0, le=100, description="A campaign pauses when WeCom refuses so large a share of it; 0: never."
    )
    brake_refused_least: int = Field(
        5, ge=1, le=10_000, description="Never for trouble with fewer calls than this; each is one staff member's."
    )
    brake_leaving_times: float = Field(
        5.0, ge=0, le=1000, description="It pauses when so many times more customers than usual leave; 0: never."
    )
    brake_leaving_least: int = Field(20, ge=1, le=1_000_000, description="Never for fewer customers than this.")
    brake_leaving_hours: int = Field(
        48, ge=1, le=720, description="Counted are those who left after they received it, both within so many hours."
    )


class JourneysSettings(Section):
    """Journeys: what holds for all of them."""

    cap_per_day: int = Field(
        1,
        ge=0,
        le=1000,
        description="Beside [caps]: after so many messages on a day journeys send a customer no more; 0: any number.",
    )
    cap_per_week: int = Field(3, ge=0, le=1000, description="The same within 7 days, today included.")
    cap_per_month: int = Field(10, ge=0, le=1000, description="The same within 30 days.")
    gather_minutes: int = Field(
        5, ge=0, le=1440, description="Broadcasts with the same words due within so many minutes become one task."
    )
    tasks_per_day: int = Field(
        30, ge=0, le=1000, description="Tasks that a staff member's list of a day holds; 0: any number."
    )
    day_at: TimeOrNever = Field(
        "09:00", description="Local time from which staff are told once a day of what is on their list; empty: never."
    )
    webhook_secret: Annotated[SecretStr, AfterValidator(none_or_long)] = Field(
        SecretStr(""), description="Signs what other programs are told: 16 characters or more; empty: none is told."
    )
    webhook_private: bool = Field(
        False, description="They may be told at addresses of this machine and of private networks too."
    )


class DigestSettings(Section):
    """What the app tells staff and managers once a day: what waits for them, and how campaigns stand."""

    at: TimeOrNever = Field(
        "09:00", description="Local time at which it is sent, if there is anything to tell; empty: never."
    )
    days: Literal["workdays", "all"] = Field("workdays", description="On the company's working days, or on all.")


class ApprovalSettings(Section):
    """Which campaigns need another manager's approval before they are sent."""

    above: int = Field(0, ge=0, description="Needed for more customers than this; 0: never.")
    approvers: tuple[str, ...] = Field(
        (), description="userids of those who may approve: each gets a card in WeCom, except about their own request."
    )
    valid_hours: int = Field(48, ge=1, le=72, description="A request that nobody decided ends after so many hours.")
    growth_percent: int = Field(
        10, ge=0, le=1000, description="By so much more than was approved may a campaign reach without asking again."
    )


class PrivacySettings(Section):
    """How long is kept what was said to customers and about them. 0: until the customer is erased."""

    alerts_days: Annotated[int, AfterValidator(never_or(31))] = Field(
        180, description="Alerts to staff, with their words: 0 or at least 31 days."
    )
    welcomes_days: Annotated[int, AfterValidator(never_or(31))] = Field(
        730, description="Welcomes, with their words: 0 or at least 31 days."
    )
    touches_days: Annotated[int, AfterValidator(never_or(366))] = Field(
        730, description="What reached customers; limits count back a year: 0 or at least 366 days."
    )
    clicks_days: Annotated[int, AfterValidator(never_or(31))] = Field(
        730, description="Which customers followed which tracked links: 0 or at least 31 days."
    )
    kf_days: Annotated[int, AfterValidator(never_or(31))] = Field(
        366, description="Messages of customer service: 0 or at least 31 days."
    )
    journeys_days: Annotated[int, AfterValidator(never_or(366))] = Field(
        730, description="Staff tasks with their words, what became of journeys: 0 or at least 366 days."
    )
    imports_days: Annotated[int, AfterValidator(never_or(1))] = Field(
        30, description="Rows of imported files, once the import has ended or was left lying: 0 or at least 1 day."
    )
    knowledge_days: Annotated[int, AfterValidator(never_or(1))] = Field(
        180, description="Questions without an answer, and what a language model wrote: 0 or at least 1 day."
    )


class PaymentsSettings(Section):
    """Payments that staff collect in chats (对外收款), read as orders of the source wecom_pay."""

    pull: bool = Field(False, description="Read them; the app must be in 对外收款 - 可调用接口的应用.")
    days_back: int = Field(30, ge=1, le=365, description="How far back the first reading goes.")


class BackupSettings(Section):
    """Backups that the running bot makes of both databases."""

    folder: Path | None = Field(None, description="Where they are kept; without it the bot makes none.")
    at: TimeOrNever = Field("02:30", description="Local time at which one is made each night; empty: only when asked.")
    keep: int = Field(7, ge=1, le=1000, description="So many are kept, the newest ones.")


class ReportsSettings(Section):
    """Reports of a week or month, and WeCom's own figures in them."""

    at: TimeOrNever = Field("09:00", description="Local time on Mondays to send the last week's; empty: never.")
    pull: bool = Field(True, description="Read WeCom's figures of each member (聊天数据统计) every morning.")
    days_back: int = Field(30, ge=1, le=180, description="How far back the first reading goes; WeCom keeps 180 days.")


class LogSettings(Section):
    """What is written to standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe line written.")
    output: Literal["text", "json"] = Field("text", description="json for log collectors.")


class Settings(BaseSettings):
    """Everything the bot must know before its database opens."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="SIYU_", env_nested_delimiter="__", hide_input_in_errors=True
    )

    mode: Literal["live", "observe"] = Field(
        "live", description="observe records everything and sends nothing: to run beside another tool."
    )
    company: CompanySettings = CompanySettings()
    app: AppSettings = AppSettings()
    callbacks: tuple[CallbackSettings, ...] = Field(default=(), description="One table [[callbacks]] per URL.")
    wecom: WecomSettings = WecomSettings()
    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    inbox: InboxSettings = InboxSettings()
    welcome: WelcomeSettings = WelcomeSettings()
    sync: SyncSettings = SyncSettings()
    campaigns: CampaignsSettings = CampaignsSettings()
    journeys: JourneysSettings = JourneysSettings()
    caps: CapsSettings = CapsSettings()
    kf: KfSettings = KfSettings()
    digest: DigestSettings = DigestSettings()
    approval: ApprovalSettings = ApprovalSettings()
    privacy: PrivacySettings = PrivacySettings()
    payments: PaymentsSettings = PaymentsSettings()
    backup: BackupSettings = BackupSettings()
    reports: ReportsSettings = ReportsSettings()
    drafts: DraftsSettings = DraftsSettings()
    logs: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        for what in ("name", "path"):
            values = [getattr(callback, what) for callback in self.callbacks]
            for value in values:
                if values.count(value) > 1:
                    raise ValueError(f"two [[callbacks]] have the same {what} {value!r}")
        if self.caps.is_set and self.campaigns.cap_count:
            raise ValueError(f"campaigns.cap_count {BOTH_GIVEN}")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The company's time zone."""
        return ZoneInfo(self.company.timezone)

    @property
    def inbox_url(self) -> str:
        """The inbox's database: on SQLite a file of its own, so that bulk writes never delay a callback."""
        return self.database.inbox_url or inbox_beside(self.database.url)


def load_settings(path: Path | None) -> Settings:
    """Settings from `path` (None: environment only).

    Raises ConfigurationError with a plain sentence per fault: no such file, not TOML, readable by others, bad values.
    """
    if path is not None:
        check_file(path)

    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            toml = TomlConfigSettingsSource(settings_cls, toml_file=path) if path else init_settings
            return env_settings, toml

    try:
        return FromFile()
    except ValidationError as error:
        faults = [fault_words(detail) for detail in error.errors()]
        raise ConfigurationError(
            f"{path or 'The environment'} holds settings that cannot be used: " + "; ".join(faults) + ".",
            "config.example.toml describes every setting.",
        ) from None
