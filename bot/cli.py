"""The commands: `python -m bot run`, `doctor`, `demo` …. The only reader of the environment."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict

from bot import app, doctor, log, migrations
from bot.config import read_database_url, read_settings
from bot.errors import MisconfiguredError, TemporaryError
from bot.ui.samples import samples


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 2 if the operator must do something first."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except MisconfiguredError as error:
        sys.stderr.write(f"{error.message}\n")
        return 2
    except TemporaryError as error:
        sys.stderr.write(f"Could not start: {error.message}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="video-bot", description="A Slack bot that turns a prompt into a video."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="serve a Slack workspace")
    run.set_defaults(command=_run)
    migrate = commands.add_parser("migrate", help="bring the database's tables up to date")
    migrate.set_defaults(command=_migrate)
    cards = commands.add_parser("cards", help="print every card, for Block Kit Builder")
    cards.set_defaults(command=_cards)
    examine = commands.add_parser("doctor", help="check the installation, part by part")
    examine.add_argument("--create", action="store_true", help="make one real video too")
    examine.add_argument("--yes", action="store_true", help="do not ask before it costs")
    examine.set_defaults(command=_doctor)
    demo = commands.add_parser("demo", help="make one video in a pretend Slack, with no accounts")
    demo.add_argument("prompt", nargs="?", default="a timelapse of clouds")
    demo.add_argument("--form", action="store_true", help="fill in the form with every parameter")
    demo.set_defaults(command=_demo)
    return parser


def _run(_options: argparse.Namespace) -> int:
    settings = read_settings()
    _forget_what_libraries_read()
    app.serve(settings)
    return 0


def _migrate(_options: argparse.Namespace) -> int:
    migrations.upgrade(read_database_url())
    return 0


def _cards(_options: argparse.Namespace) -> int:
    shown = {name: asdict(message) for name, message in samples().items()}
    sys.stdout.write(json.dumps(shown, indent=2, ensure_ascii=False) + "\n")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    log.configure("CRITICAL")  # what matters stands in the findings
    try:
        settings = read_settings()
    except MisconfiguredError as error:
        _print(*doctor.bad_settings(error))
        return 1
    _forget_what_libraries_read()
    is_well = asyncio.run(_report(doctor.examine(settings)))
    if is_well and options.create:
        _print(f"This makes {doctor.cost(settings)}.")
        if not (options.yes or _agreed()):
            _print("Nothing was made.")
            return 1
        is_well = asyncio.run(_report(doctor.create(settings)))
    return 0 if is_well else 1


async def _report(findings: AsyncIterator[doctor.Finding]) -> bool:
    """Print each finding as it comes; whether all is well."""
    is_well = True
    async for finding in findings:
        _print(finding)
        is_well = is_well and not finding.cure
    return is_well


def _agreed() -> bool:
    """Ask on the terminal; where there is none, nobody agreed."""
    if not sys.stdin.isatty():
        _print("There is no terminal to ask on: --yes says yes.")
        return False
    sys.stdout.write("Go on? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _print(*lines: object) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


def _demo(options: argparse.Namespace) -> int:
    try:
        from bot.sandbox import demo  # noqa: PLC0415 -- needs the optional extra `sandbox`
    except ModuleNotFoundError as error:
        raise MisconfiguredError(
            f"The demo needs {error.name}: pip install 'video-bot[sandbox]'"
        ) from error
    return demo.main(options.prompt, form=options.form)


def _forget_what_libraries_read() -> None:
    """Take Slack's variables out of the environment once they are settings.

    Bolt would read them by itself: SLACK_CLIENT_ID and SLACK_CLIENT_SECRET switch it to OAuth
    with a store of files, which drops the bot token.
    """
    for name in [name for name in os.environ if name.startswith("SLACK_")]:
        del os.environ[name]
