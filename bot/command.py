"""What people type after `/video`, in a mention or in a direct message: one grammar, no I/O."""

import re
from dataclasses import dataclass

from bot.catalog import Catalog
from bot.errors import BadRequest, RequestProblem
from bot.request import Draft, VideoRequest, make_request


@dataclass(frozen=True, slots=True)
class Start:
    """Start a video."""

    request: VideoRequest


@dataclass(frozen=True, slots=True)
class OpenForm:
    """Open the form, filled in as far as the text says."""

    draft: Draft


@dataclass(frozen=True, slots=True)
class List:
    """List one's own videos."""


@dataclass(frozen=True, slots=True)
class Status:
    """Show one of one's own videos."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel a video."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Search:
    """Search one's own videos by words of their prompts; no words: say how to search."""

    words: str


@dataclass(frozen=True, slots=True)
class Help:
    """Show how to use the command."""


Command = Start | OpenForm | List | Status | Cancel | Search | Help

# Phones turn two hyphens into a dash, so a dash before a known name counts as `--`.
_OPTION_AT_END = re.compile(
    r"(?:^|\s)(?:--|[—–])(?:(form)|(seconds|size|model)(?:(?:=|\s+)(\S+))?)$",  # noqa: RUF001 -- that dash is meant
    re.IGNORECASE,
)
_JOB_ID = re.compile(r"[0-9a-f]{10}")
_PROMPT_FOLLOWS = re.compile(r"(?:^|(?<=\s))--(?=\s|$)")


def parse(text: str, catalog: Catalog) -> Command:
    """Read what was typed.

    Known options count only at the end of the text, so that a prompt may contain `--` anywhere
    else; everything after ` -- ` is the prompt.

    Raises:
        BadRequest: the prompt or an option is not one that the catalog allows.
    """
    match text.lower().split():
        case []:
            return OpenForm(Draft())
        case ["help"]:
            return Help()
        case ["list"]:
            return List()
        case ["status", job_id] if _JOB_ID.fullmatch(job_id):
            return Status(job_id)
        case ["cancel", job_id] if _JOB_ID.fullmatch(job_id):
            return Cancel(job_id)
        case ["search", *words]:
            return Search(" ".join(words))
        case _:
            return _read_prompt(text, catalog)


def _read_prompt(text: str, catalog: Catalog) -> Start | OpenForm:
    head, marker, tail = _split_at_marker(text)
    head, options = _take_options(head)
    prompt = f"{head} {tail}".strip() if marker else head.strip()
    if options.pop("form", None) is not None:
        model, seconds, size = (options.get(name) for name in ("model", "seconds", "size"))
        return OpenForm(Draft(prompt=prompt, model=model, seconds=seconds, size=size))
    return Start(make_request(prompt=prompt, catalog=catalog, **options))


def _split_at_marker(text: str) -> tuple[str, str, str]:
    marker = _PROMPT_FOLLOWS.search(text)
    if marker is None:
        return text, "", ""
    return text[: marker.start()].rstrip(), "--", text[marker.end() :].lstrip()


def _take_options(text: str) -> tuple[str, dict[str, str]]:
    options: dict[str, str] = {}
    while found := _OPTION_AT_END.search(text.rstrip()):
        name, value = (found[1] or found[2]).lower(), found[1] or found[3]
        if value is None:
            raise BadRequest(RequestProblem.VALUE_MISSING, field=name)
        if name in options:
            raise BadRequest(RequestProblem.GIVEN_TWICE, field=name)
        options[name] = value
        text = text[: found.start()]
    return text, options
