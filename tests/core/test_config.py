"""The settings: one clear line for each invalid variable, without its value."""

from pathlib import Path

import pytest

from bot.config import Settings, read_database_url, read_settings
from bot.errors import MisconfiguredError

EXAMPLE = Path(__file__).parents[2] / ".env.example"
GOOD = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_APP_TOKEN": "xapp-1",
    "OPENAI_API_KEY": "sk-1",
}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return read_settings()


def refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    with pytest.raises(MisconfiguredError) as caught:
        read(monkeypatch, **variables)
    return caught.value.message


def test_three_variables_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, **GOOD)
    assert settings.slack_api_url == "https://slack.com/api/"
    assert settings.slack_file_hosts == ["files.slack.com"]
    assert settings.openai_base_url == "https://api.openai.com/v1"
    assert settings.database_url.get_secret_value() == "sqlite+aiosqlite:///video-bot.db"


def test_settings_are_read_from_a_dotenv_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("\n".join(f"{name}={value}" for name, value in GOOD.items()))
    assert read(monkeypatch).openai_api_key.get_secret_value() == "sk-1"


def test_environment_variables_override_the_dotenv_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("OPENAI_API_KEY=from-the-file")
    assert read(monkeypatch, **GOOD).openai_api_key.get_secret_value() == "sk-1"


def test_every_missing_variable_gets_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = refusal(monkeypatch).splitlines()
    names = ["SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "OPENAI_API_KEY"]
    assert [line.split()[0] for line in lines] == names
    assert all("is missing: " in line for line in lines)


def test_missing_and_wrong_variables_are_reported_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = refusal(monkeypatch, SLACK_BOT_TOKEN="xapp-1", PORT="0").splitlines()
    names = ["PORT", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "OPENAI_API_KEY"]
    assert sorted(line.split()[0] for line in lines) == sorted(names)


def test_an_untouched_example_file_is_recognized(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text(EXAMPLE.read_text())
    lines = refusal(monkeypatch).splitlines()
    assert [line.split()[0] for line in lines] == ["SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"]
    assert all("still has the placeholder of .env.example" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("SLACK_BOT_TOKEN", "xapp-secret", "should start with xoxb-"),
        ("SLACK_BOT_TOKEN", "xoxb-secret secret", "a space"),
        ("SLACK_APP_TOKEN", "xoxb-secret", "should start with xapp-"),
        ("SLACK_BOT_TOKEN", "xoxb-secret\x1b", "visible ASCII"),
        ("OPENAI_API_KEY", "“secret”", "curly quote"),
        ("OPENAI_API_KEY", "sk-secret\u2019", "curly quote"),
        ("OPENAI_API_KEY", "sk-sécret-secret", "visible ASCII"),
        ("OPENAI_API_KEY", "sk-secret secret", "a space"),
        ("OPENAI_API_KEY", "sk-secret\n", "a line break"),
        ("OPENAI_PREVIOUS_API_KEY", "sk-secret\t", "visible ASCII"),
        ("SLACK_SIGNING_SECRET", "secret\u201d", "curly quote"),
        ("SLACK_API_URL", "secret", "should be an address"),
        ("OPENAI_BASE_URL", "ftp://secret", "should be an address"),
        ("SLACK_FILE_HOSTS", ",", "should be host names"),
        ("DATABASE_URL", "secret", "such as postgresql://"),
        ("DATABASE_URL", "mysql://u:secret@h/d", "such as postgresql://"),
        ("DATABASE_URL", "postgresql://u:secret@h:port/d", "such as postgresql://"),
        ("DATABASE_URL", "sqlite://", "should name a file"),
        ("MAX_VIDEO_MB", "secret", "megabytes, 1 to 1000"),
        ("MAX_VIDEO_MB", "1001", "megabytes, 1 to 1000"),
        ("PORT", "secret", "a port number, 1 to 65535"),
        ("PORT", "0", "a port number, 1 to 65535"),
        ("ADMIN_USERS", "U012AB3CD, secret", "should be ids such as U012AB3CD"),
        ("ADMIN_USERS", "@secret", "should be ids"),
        ("LOG_LEVEL", "secret", "DEBUG, INFO, WARNING or ERROR"),
    ],
)
def test_a_malformed_variable_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, hint: str
) -> None:
    line = refusal(monkeypatch, **GOOD | {name: value})
    assert line.startswith(name)
    assert hint in line
    assert "\n" not in line
    assert "secret" not in line


def test_missing_connection_settings_name_socket_mode_and_http_mode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = refusal(monkeypatch, SLACK_BOT_TOKEN="xoxb-1", OPENAI_API_KEY="sk-1")
    assert "Socket Mode" in line
    assert "HTTP mode" in line


def test_an_empty_variable_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "OPENAI_API_KEY is missing" in refusal(monkeypatch, **GOOD | {"OPENAI_API_KEY": ""})


def test_file_hosts_are_split_on_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, **GOOD, SLACK_FILE_HOSTS="files.slack.com, files.example.com")
    assert settings.slack_file_hosts == ["files.slack.com", "files.example.com"]


def test_video_file_hosts_are_configurable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, **GOOD).video_file_hosts == []
    settings = read(monkeypatch, VIDEO_FILE_HOSTS="minio.internal")
    assert settings.video_file_hosts == ["minio.internal"]


def test_admin_users_are_split_on_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, **GOOD).admin_users == []
    settings = read(monkeypatch, ADMIN_USERS="U012AB3CD, W012AB3CE")
    assert settings.admin_users == ["U012AB3CD", "W012AB3CE"]


def test_printing_the_settings_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = GOOD | {"DATABASE_URL": "postgresql://user:password@host/name"}
    settings = read(monkeypatch, **secrets)
    assert not any(value in repr(settings) for value in [*secrets.values(), "password"])
    assert {*settings.secrets()} >= {*GOOD.values()}


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://u:p%40w@h:5/d?sslmode=require", "u:p%40w@h:5/d?sslmode=require"),
        ("postgresql://u@h/d", "u@h/d"),
        ("postgresql+asyncpg://u@h/d", "u@h/d"),
        ("postgresql+psycopg2://u@h/d", "u@h/d"),
        ("postgresql+psycopg://u@h/d", "u@h/d"),
        ("postgres+psycopg3://u@h/d", "u@h/d"),
        ("postgresql:///d?host=%2Frun", "/d?host=%2Frun"),
    ],
)
def test_every_spelling_of_a_postgresql_url_is_accepted(
    monkeypatch: pytest.MonkeyPatch, given: str, used: str
) -> None:
    settings = read(monkeypatch, **GOOD, DATABASE_URL=given)
    assert settings.database_url.get_secret_value() == f"postgresql+psycopg://{used}"


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite3", "sqlite+pysqlite", "sqlite+aiosqlite"])
def test_every_spelling_of_a_sqlite_url_is_accepted(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"{scheme}:////var/lib/bot.db")
    assert read_database_url() == "sqlite+aiosqlite:////var/lib/bot.db"
