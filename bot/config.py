"""The settings of one installation, from the environment or `.env`."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from bot.errors import MisconfiguredError

DEFAULT_PORT = 3000
"""The port for HTTP mode unless PORT is set."""


_VISIBLE_ASCII = re.compile("[!-~]+")
_PLACEHOLDER_ENDS = ("...", "…")
_CURLY_QUOTES = "‘’“”"  # noqa: RUF001 -- exactly these


def _sendable(value: SecretStr) -> SecretStr:
    """Refuse what an HTTP header can't contain: HTTP libraries show it in their exceptions."""
    text = value.get_secret_value()
    if set(text) & set(_CURLY_QUOTES):
        raise ValueError(
            f"contains a curly quote ({' '.join(_CURLY_QUOTES)}), which some programs put in "
            "place of a straight one: copy it again without quotes"
        )
    if not _VISIBLE_ASCII.fullmatch(text):
        raise ValueError(
            "contains a space, a line break or another character that is not visible ASCII: "
            "copy it again"
        )
    return value


def _token(prefix: str, where: str) -> AfterValidator:
    def check(value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if text.startswith(prefix) and text.endswith(_PLACEHOLDER_ENDS):
            raise ValueError(f"still has the placeholder of .env.example: replace it with {where}")
        if not text.startswith(prefix):
            raise ValueError(f"should start with {prefix} ({where})")
        return _sendable(value)

    return AfterValidator(check)


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("should be an address such as https://example.com/v1")
    return value


def without_credentials(address: str) -> str:
    """The address without the name and password that it may contain."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _folder(address: str) -> str:
    return address.rstrip("/") + "/"


def _words(value: Any) -> Any:  # noqa: ANN401 -- whatever stood in the environment
    return value if not isinstance(value, str) else [*filter(None, value.replace(",", " ").split())]


def _user_ids(values: list[str]) -> list[str]:
    if not all(re.fullmatch("[UW][A-Z0-9]{2,}", value, re.ASCII) for value in values):
        raise ValueError("should be ids such as U012AB3CD (a profile's “Copy member ID”)")
    return values


def _database_url(value: SecretStr) -> SecretStr:
    """The address with this bot's driver; hosts use several spellings."""
    try:
        url = make_url(value.get_secret_value())
    except (ArgumentError, ValueError) as error:
        raise ValueError(_DATABASE_HINT) from error
    match url.drivername.partition("+")[0]:
        case "postgres" | "postgresql":
            return _with_driver(url, "postgresql+psycopg")
        case "sqlite" | "sqlite3" if url.database not in {None, "", ":memory:"}:
            return _with_driver(url, "sqlite+aiosqlite")
        case "sqlite" | "sqlite3":
            raise ValueError("should name a file: a database in memory would lose every job")
        case _:
            raise ValueError(_DATABASE_HINT)


def _with_driver(url: URL, driver: str) -> SecretStr:
    return SecretStr(url.set(drivername=driver).render_as_string(hide_password=False))


_DATABASE_HINT = (
    "should be an address such as postgresql://user:password@host/name or sqlite:///file"
)


def _or_app_token(value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    """Require one of the two connection modes, and report it with whatever else is missing."""
    if value is None and info.data.get("slack_app_token", ...) is None:
        raise ValueError(
            "or SLACK_APP_TOKEN is missing: set SLACK_APP_TOKEN (xapp-…) for Socket Mode, which "
            "needs no public URL, or SLACK_SIGNING_SECRET for HTTP mode, in which Slack sends "
            "requests to /slack/events on PORT"
        )
    return value


def _with_admins(value: Decimal | None, info: ValidationInfo) -> Decimal | None:
    if value is not None and not info.data.get("admin_users", ["unknown"]):
        raise ValueError("needs ADMIN_USERS: nobody else can approve a video")
    return value


ApiKey = Annotated[SecretStr, AfterValidator(_sendable)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
BotToken = Annotated[
    SecretStr,
    _token("xoxb-", "the Bot User OAuth Token from your app's page “OAuth & Permissions”"),
]
AppToken = Annotated[
    SecretStr,
    _token("xapp-", "an app-level token with connections:write, from “Basic Information”"),
]
Hosts = Annotated[list[str], NoDecode, BeforeValidator(_words), Field(min_length=1)]
UserIds = Annotated[list[str], NoDecode, BeforeValidator(_words), AfterValidator(_user_ids)]


Port = Annotated[int, Field(ge=1, le=65535)]
Dollars = Annotated[Decimal, Field(ge=0, lt=10_000_000)]
ChannelId = Annotated[str, Field(pattern=r"^[CG][A-Z0-9]{2,}$")]


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )


class DatabaseSettings(_Environment):
    """The settings that commands need which use only the database."""

    database_url: Annotated[SecretStr, AfterValidator(_database_url)] = SecretStr(
        "sqlite+aiosqlite:///video-bot.db"
    )


class WebSettings(_Environment):
    """The settings of the bot's own web server."""

    host: str | None = None
    port: Port | None = None


class Settings(DatabaseSettings, WebSettings):
    """One field per variable; `.env.example` describes each."""

    slack_bot_token: BotToken
    slack_app_token: AppToken | None = None
    slack_signing_secret: Annotated[ApiKey | None, AfterValidator(_or_app_token)] = Field(
        default=None, validate_default=True
    )
    slack_api_url: Annotated[WebAddress, AfterValidator(_folder)] = "https://slack.com/api/"
    slack_file_hosts: Hosts = ["files.slack.com"]
    openai_api_key: ApiKey
    openai_base_url: WebAddress = "https://api.openai.com/v1"
    openai_previous_base_url: WebAddress | None = None
    openai_previous_api_key: ApiKey | None = None
    video_catalog: Path | None = None
    job_timeout_minutes: Annotated[float, Field(gt=0, le=1440)] = 30
    video_file_hosts: Annotated[list[str], NoDecode, BeforeValidator(_words)] = []
    max_video_mb: Annotated[int, Field(ge=1, le=1000)] = 1000
    admin_users: UserIds = []
    poster: bool = True
    support_contact: Annotated[str, Field(max_length=200)] = ""
    allow_guests: bool = True
    confirm_above_usd: Dollars | None = None
    limit_month_usd: Dollars | None = None
    limit_day_usd: Dollars | None = None
    limit_channel_month_usd: Dollars | None = None
    limit_person_month_usd: Dollars | None = None
    limit_person_day_usd: Dollars | None = None
    limit_person_day_videos: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    unpriced: Literal["refuse", "allow"] = "refuse"
    approve_above_usd: Annotated[Dollars | None, AfterValidator(_with_admins)] = None
    approvals_channel: ChannelId | None = None
    max_open_per_person: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    keep_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: Port | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    def video_servers(self) -> list[str]:
        """The addresses of the configured Videos servers."""
        return [self.openai_base_url, *filter(None, [self.openai_previous_base_url])]

    def secrets(self) -> list[str]:
        """The values that nobody may see."""
        values = [value for _, value in self if isinstance(value, SecretStr)]
        return [value.get_secret_value() for value in values]


def read_settings(**overrides: Any) -> Settings:  # noqa: ANN401 -- for tests and the sandbox
    """The settings of this process.

    Raises:
        MisconfiguredError: one line for each missing or invalid variable, never with its
            value, which may be a secret.
    """
    return _read(Settings, **overrides)


def read_database_url() -> str:
    """The database's address, for commands that need nothing else; raises as above."""
    return _read(DatabaseSettings).database_url.get_secret_value()


def read_web_address() -> tuple[str, int]:
    """The host and port at which this machine reaches the bot's web server; raises as above."""
    settings = _read(WebSettings)
    return settings.host or "127.0.0.1", settings.port or DEFAULT_PORT


_S = TypeVar("_S", bound=_Environment)


def _read(kind: type[_S], **overrides: Any) -> _S:  # noqa: ANN401 -- for tests and the sandbox
    try:
        return kind(**overrides)
    except ValidationError as error:
        lines = [_line(each["loc"], each["type"], each["msg"]) for each in error.errors()]
        raise MisconfiguredError("\n".join(lines)) from None


_SHOULD_BE = {
    "slack_bot_token": "your app's Bot User OAuth Token, xoxb-… (“OAuth & Permissions”)",
    "openai_api_key": "your video server's API key; any word if it needs none",
    "job_timeout_minutes": "a number of minutes, up to 1440",
    "poster": "true or false",
    "allow_guests": "true or false",
    "approve_above_usd": "an amount in US dollars, such as 2 or 0.50",
    "approvals_channel": "a channel's id, such as C012AB3CD",
    "confirm_above_usd": "an amount in US dollars, such as 2 or 0.50",
    **dict.fromkeys(
        (
            "limit_month_usd",
            "limit_day_usd",
            "limit_channel_month_usd",
            "limit_person_month_usd",
            "limit_person_day_usd",
        ),
        "an amount in US dollars, such as 2 or 0.50",
    ),
    "limit_person_day_videos": "a whole number, 0 to 1000000",
    "unpriced": "refuse or allow",
    "max_open_per_person": "a whole number, 1 to 1000000",
    "max_video_mb": "a whole number of megabytes, 1 to 1000",
    "port": "a port number, 1 to 65535",
    "log_level": "DEBUG, INFO, WARNING or ERROR",
    "slack_file_hosts": "host names separated by commas",
}


def _line(location: tuple[int | str, ...], kind: str, message: str) -> str:
    words = message.removeprefix("Value error, ")
    name = str(location[0])
    if kind == "missing":
        return f"{name.upper()} is missing: it should be {_SHOULD_BE[name]}"
    if kind == "value_error":
        return f"{name.upper()} {words}"
    return f"{name.upper()} should be {_SHOULD_BE.get(name, words)}"
