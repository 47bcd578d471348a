"""The commands: `python -m bot run`, `doctor`, `demo` …. The only reader of the environment."""

import argparse
import asyncio
import http.client
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bot.config import read_database_url, read_settings, read_web_address
from bot.errors import MisconfiguredError, TemporaryError
from bot.timings import FORGET_WAIT, HEALTH_TIMEOUT

if TYPE_CHECKING:
    from bot.doctor import Finding
    from bot.store import Store

_T = TypeVar("_T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 2 if the operator must fix something first."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except MisconfiguredError as error:
        sys.stderr.write(f"{error.message}\n")
        return 2
    except TemporaryError as error:
        sys.stderr.write(f"Could not start: {error.message}\n")
        return 1


_EXAMPLES = """\
examples:
  video-bot demo "a red fox in the snow"   try the bot without any account
  video-bot doctor                         check the settings, tokens, scopes and server
  video-bot doctor --create                also make one real video, after you confirm its price
  video-bot run                            run the bot, with the settings in .env
  video-bot migrate                        only migrate the database, for example before a deploy
  video-bot bill --month 2026-11           what each person's videos cost in a month
  video-bot audit --since 2026-11-01       who cancelled or deleted others' videos, and the like

The settings come from the environment or from .env, which .env.example describes.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="video-bot",
        description="A Slack bot that turns a prompt into a video.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = f"%(prog)s {metadata.version('video-bot')}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run the bot in a Slack workspace")
    run.set_defaults(command=_run)
    migrate = commands.add_parser("migrate", help="migrate the database to this version")
    migrate.set_defaults(command=_migrate)
    audit = commands.add_parser("audit", help="print who changed limits or others' videos")
    audit.add_argument("--since", type=_moment, default=0.0, help="a date such as 2026-11-24, UTC")
    audit.set_defaults(command=_audit)
    bill = commands.add_parser("bill", help="print what the videos of a month cost")
    bill.add_argument("--month", type=_month, help="such as 2026-11; this month by default (UTC)")
    bill.add_argument("--by", choices=["person", "channel", "model"], default="person")
    bill.add_argument("--csv", action="store_true", help="print comma-separated values")
    bill.set_defaults(command=_bill)
    backup = commands.add_parser("backup", help="copy an SQLite database, also while the bot runs")
    backup.add_argument("path", type=Path, help="a new file")
    backup.set_defaults(command=_backup)
    export = commands.add_parser("export", help="print everything stored about a person as JSON")
    export.add_argument("user", type=_user_id, help="a member ID, such as U012AB3CD")
    export.set_defaults(command=_export)
    forget = commands.add_parser("forget", help="remove what is stored about a person")
    forget.add_argument("user", type=_user_id, help="a member ID, such as U012AB3CD")
    forget.add_argument("--files", action="store_true", help="also delete their videos")
    forget.set_defaults(command=_forget)
    health = commands.add_parser("health", help="ask the running bot whether everything works")
    health.set_defaults(command=_health)
    cards = commands.add_parser("cards", help="print all cards as JSON for Block Kit Builder")
    cards.set_defaults(command=_cards)
    check = commands.add_parser("doctor", help="check the installation")
    check.add_argument("--create", action="store_true", help="also make one real video")
    check.add_argument("--yes", action="store_true", help="don't ask before making a video")
    check.set_defaults(command=_doctor)
    demo = commands.add_parser(
        "demo", help="make a video in a simulated Slack, without any account"
    )
    demo.add_argument("prompt", nargs="?", default="a timelapse of clouds")
    demo.add_argument("--form", action="store_true", help="use the form, with every parameter")
    demo.add_argument("--render-seconds", type=float, default=6.0, help="how long a video renders")
    demo.set_defaults(command=_demo)
    return parser


def _run(_options: argparse.Namespace) -> int:
    from bot import app

    settings = read_settings()
    _hide_from_libraries()
    app.serve(settings)
    return 0


def _migrate(_options: argparse.Namespace) -> int:
    from bot import migrations

    migrations.upgrade(read_database_url())
    return 0


def _audit(options: argparse.Namespace) -> int:
    asyncio.run(_print_audit_log(options))
    return 0


async def _print_audit_log(options: argparse.Namespace) -> None:
    for entry in await _with_store(lambda store: store.audit_log(since=options.since)):
        at = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="seconds")
        _print(f"{at}\t{entry.actor}\t{entry.act}\t{entry.subject}\t{entry.detail}")


def _bill(options: argparse.Namespace) -> int:
    from bot.spending import By
    from bot.ui import bill

    today = datetime.now(UTC)
    since, before = options.month or _month(f"{today:%Y-%m}")
    by = By(options.by)
    lines = asyncio.run(_with_store(lambda store: store.bill(by, since=since, before=before)))
    sys.stdout.write(bill.as_csv(lines, by) if options.csv else bill.as_table(lines, by))
    return 0


def _month(text: str) -> tuple[float, float]:
    """When a month such as 2026-11 begins and ends."""
    from bot.spending import month_of

    try:
        month = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a month such as 2026-11") from None
    return month_of(month.year, month.month)


def _backup(options: argparse.Namespace) -> int:
    from bot.backup import back_up

    back_up(read_database_url(), options.path)
    _print(f"{options.path} is a complete copy, which was checked.")
    return 0


def _export(options: argparse.Namespace) -> int:
    from bot.personal import PersonalData

    found = asyncio.run(
        _with_store(
            lambda store: PersonalData(store.database).export(options.user, actor="operator")
        )
    )
    _print(json.dumps(found, indent=2, ensure_ascii=False))
    return 0


def _forget(options: argparse.Namespace) -> int:
    return asyncio.run(
        _with_store(lambda store: _forget_person(store, options.user, files=options.files))
    )


async def _forget_person(store: "Store", user_id: str, *, files: bool) -> int:
    """Wait a while for the running bot to close the person's jobs, which it does in any case."""
    from bot.personal import PersonalData

    data = PersonalData(store.database)
    await data.forget(user_id, actor="operator", files=files)
    deadline = time.monotonic() + FORGET_WAIT
    while True:
        await data.run()
        unfinished = await data.unfinished(user_id)
        if unfinished is None:
            _print(f"{user_id} is forgotten.")
            return 0
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(1)
    _print(
        f"{unfinished} videos must be cancelled or deleted first. The bot does that while it "
        f"runs, and then forgets {user_id} by itself."
    )
    return 1


_USER_ID = re.compile("[UW][A-Z0-9]{2,}", re.ASCII)


def _user_id(text: str) -> str:
    if not _USER_ID.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a member ID such as U012AB3CD")
    return text


async def _with_store(work: Callable[["Store"], Awaitable[_T]]) -> _T:
    from bot import migrations
    from bot.store import Store

    url = read_database_url()
    current, _newest = await asyncio.to_thread(migrations.revisions, url)
    if current is None or migrations.is_outdated(current):
        raise MisconfiguredError("The database is not up to date: run video-bot migrate first.")
    store = Store.open(url)
    try:
        return await work(store)
    finally:
        await store.close()


def _moment(text: str) -> float:
    """An ISO 8601 date or time, without a time zone in UTC, as seconds since 1970."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a date such as 2026-11-24 or 2026-11-24T13:00"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _health(_options: argparse.Namespace) -> int:
    host, port = read_web_address()
    connection = http.client.HTTPConnection(host, port, timeout=HEALTH_TIMEOUT)
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        _print(response.read().decode())
    except (OSError, http.client.HTTPException) as error:
        _print(f"PORT {port} of HOST {host} does not respond: {error}")
        return 1
    finally:
        connection.close()
    return 0 if response.status == http.HTTPStatus.OK else 1


def _cards(_options: argparse.Namespace) -> int:
    from bot.ui.samples import samples

    shown = {name: asdict(message) for name, message in samples().items()}
    sys.stdout.write(json.dumps(shown, indent=2, ensure_ascii=False) + "\n")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from bot import doctor, log

    log.configure("CRITICAL")  # everything that matters is in the findings
    try:
        settings = read_settings()
    except MisconfiguredError as error:
        _print(*doctor.bad_settings(error))
        return 1
    _hide_from_libraries()
    is_ok = asyncio.run(_report(doctor.check(settings)))
    if options.create and not is_ok:
        _print("No video was made: correct what is WRONG first.")
    elif options.create:
        _print(f"This makes {doctor.cost(settings)}.")
        if not (options.yes or _confirmed()):
            _print("No video was made.")
            return 1
        is_ok = asyncio.run(_report(doctor.create(settings)))
    return 0 if is_ok else 1


async def _report(findings: AsyncIterator["Finding"]) -> bool:
    """Print each finding as soon as it is known; returns whether none needs a remedy."""
    is_ok = True
    async for finding in findings:
        _print(finding)
        is_ok = is_ok and not finding.remedy
    return is_ok


def _confirmed() -> bool:
    """Ask for confirmation on the terminal; without a terminal the answer is no."""
    if not sys.stdin.isatty():
        _print("This is not a terminal: confirm with --yes.")
        return False
    sys.stdout.write("Continue? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _print(*lines: object) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


def _demo(options: argparse.Namespace) -> int:
    from bot.sandbox import demo

    return demo.main(options.prompt, form=options.form, render_seconds=options.render_seconds)


def _hide_from_libraries() -> None:
    """Remove Slack's variables from the environment once they are settings.

    Bolt reads some itself: with SLACK_CLIENT_ID and SLACK_CLIENT_SECRET it switches to OAuth
    with an installation store in files, and ignores the bot token.
    """
    for name in [name for name in os.environ if name.startswith("SLACK_")]:
        del os.environ[name]
