"""What people type after `/video`, in a mention or in a direct message: one grammar, no I/O."""

import difflib
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bot.catalog import Catalog
from bot.errors import BadRequest, RequestProblem
from bot.request import Draft, VideoRequest, make_draft, make_request


class Subcommand(StrEnum):
    """What can be asked for besides a video and the form."""

    HELP = "help"
    LIST = "list"
    STATUS = "status"
    CANCEL = "cancel"
    SEARCH = "search"


@dataclass(frozen=True, slots=True)
class Start:
    """Start a video."""

    request: VideoRequest
    is_explicit: bool = False
    """It has options, is in quotes or follows ` -- `, so it is certainly a prompt."""


@dataclass(frozen=True, slots=True)
class OpenForm:
    """Open the form, filled in as far as the text says."""

    draft: Draft


@dataclass(frozen=True, slots=True)
class Run:
    """Do something about one's own videos, or show how to use the bot."""

    subcommand: Subcommand
    argument: str = ""
    """The id of a video, or what was typed in its place; the words to search for."""
    draft: Draft | None = None
    """What to make a video of if it was meant as a prompt; None: it can't have been."""

    @property
    def job_id(self) -> str | None:
        """The id of a video, if one was typed."""
        return self.argument if _JOB_ID.fullmatch(self.argument) else None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Start nothing: the prompt or an option is not one that the catalog allows."""

    error: BadRequest
    draft: Draft
    """What could be understood, for the form."""


Command = Start | OpenForm | Run | Refuse


def parse(text: str, catalog: Catalog) -> Command:
    """Read what was typed.

    Options count at the start and at the end only, so that a prompt may contain `--` anywhere
    else. Text in quotes is a prompt, and so is everything after ` -- `. Of the rest, a subcommand
    with at most one more word, or with a video's id, is never a prompt; nor is `search`.
    """
    typed = _read(text)
    draft = make_draft(prompt=typed.prompt, catalog=catalog, **typed.values)
    if _HELP in typed.options:
        return Run(Subcommand.HELP, draft=draft if draft.prompt else None)
    if not typed.is_literal and (command := _subcommand(draft)):
        return command
    if typed.error is not None:
        return Refuse(typed.error, draft)
    if _FORM in typed.options or not draft.prompt:
        return OpenForm(draft)
    try:
        request = make_request(draft, catalog)
    except BadRequest as error:
        return Refuse(error, draft)
    return Start(request, is_explicit=typed.is_literal or bool(typed.options))


def may_be_chat(prompt: str) -> bool:
    """Whether a message may not be a prompt: it is short, a greeting, thanks or a question."""
    words = [_bare(word) for word in prompt.split()]
    # Some scripts have no spaces between words.
    wide = sum(each.isalpha() and unicodedata.east_asian_width(each) == "W" for each in prompt)
    if len(words) + wide // WIDE_LETTERS <= SHORT:
        return True
    if words[0] in _THANKS or prompt.rstrip().endswith(("?", "？")):  # noqa: RUF001 -- a Japanese one
        return True
    if words[0] in _GREETINGS:
        return len(words) <= GREETING
    return words[0] in _QUESTIONS and not _PERSONAL.isdisjoint(words)


SHORT = 2
"""Words that are too few to be certainly a prompt."""
GREETING = 6
"""Words of the longest text that is a greeting because it begins like one."""
WIDE_LETTERS = 4
"""Letters of a script without spaces that count as a word."""
CLOSE = 0.82
"""How similar a misspelled word is to the one that was meant (difflib's ratio)."""
MAX_WORD = 20
"""Characters of the longest word that may be a misspelled one of ours."""

_THANKS = {"thanks", "thank", "thx", "ty", "danke", "merci", "gracias", "grazie", "obrigado"}
_GREETINGS = {
    *("hi", "hello", "hey", "hallo", "hola", "bonjour", "ciao", "bye", "goodbye", "morning"),
    *("good", "great", "nice", "cool", "awesome", "amazing", "perfect", "wow", "lol", "haha"),
    *("yes", "no", "ok", "okay", "sure", "please", "sorry", "stop", "wait", "done", "test"),
}
_QUESTIONS = {
    *("how", "what", "why", "who", "when", "where", "which", "can", "could", "would", "will"),
    *("do", "does", "did", "are", "is", "was", "should", "may"),
}
_PERSONAL = {"you", "your", "i", "my", "me", "we", "our", "it", "this", "that", "bot", "video"}

_FORM = "form"
_HELP = "help"
_FLAGS = {"form": _FORM, "help": _HELP, "h": _HELP}
_OPTIONS = {
    **dict.fromkeys(("seconds", "secs", "duration", "length"), "seconds"),
    **dict.fromkeys(("size", "resolution", "aspect", "aspect-ratio", "ratio", "ar"), "size"),
    "model": "model",
    **_FLAGS,
}
"""The options, each with the create parameter or the flag that it sets."""
SHOWN_OPTIONS = ("seconds", "size", "model", "form")
"""The options that are documented; the others are for people who expect them."""

_WORD = re.compile(r"\S+")
_PROMPT_FOLLOWS = "--"
# Keyboards turn two hyphens into one dash, and some people type one hyphen.
_OPTION = re.compile(r"(--|[-—–])([a-z][\w-]*)(?:=(.*))?", re.IGNORECASE | re.DOTALL)  # noqa: RUF001 -- that dash is meant
_UNITS = {"s", "sec", "secs", "second", "seconds"}
_JOB_ID = re.compile(r"[0-9a-f]{10}")
_HELP_SIGNS = re.compile(r"[-—–/]{0,3}(?:\?+|h|help|usage)[?!.]*", re.IGNORECASE)  # noqa: RUF001 -- as above
_CLOSING_QUOTES = {
    '"': '"',
    "'": "'",
    "“": "”“",
    "„": "“”",
    "‘": "’‘",  # noqa: RUF001 -- as keyboards set them
    "‚": "‘’",  # noqa: RUF001 -- as above
    "«": "»",
}
_QUOTES = "\"'`“”„‘’‚«»"  # noqa: RUF001 -- as above
_SIGNS = _QUOTES + "*_~<>()[]{}.,;:!?#/-—–"  # noqa: RUF001 -- as above


@dataclass
class _Typed:
    """A text taken apart."""

    prompt: str = ""
    options: dict[str, str] = field(default_factory=dict)
    error: BadRequest | None = None
    """What is wrong with the options, if anything."""
    is_literal: bool = False
    """The prompt was in quotes or after ` -- `."""

    @property
    def values(self) -> dict[str, str]:
        """The create parameters among the options."""
        return {name: value for name, value in self.options.items() if name not in _FLAGS}

    def take(self, option: "_Option") -> bool:
        """Note an option, or the first thing that is wrong; returns whether it was taken."""
        if self.error is not None:
            return False
        if not option.is_known:
            self.error = BadRequest(
                RequestProblem.UNKNOWN_OPTION,
                field=option.typed,
                allowed=SHOWN_OPTIONS,
                alternative=option.closest,
            )
        if option.closest is None:
            return False
        name = _OPTIONS[option.closest]
        if name not in _FLAGS and not option.value:
            self.error = BadRequest(RequestProblem.VALUE_MISSING, field=option.closest)
        elif name in self.options:
            self.error = BadRequest(RequestProblem.GIVEN_TWICE, field=option.closest)
        else:
            self.options[name] = option.value
        return True


@dataclass(frozen=True, slots=True)
class _Option:
    typed: str
    closest: str | None
    """The option that it is, or probably is."""
    value: str
    words: int
    """How many words it takes."""

    @property
    def is_known(self) -> bool:
        return self.typed == self.closest


def _read(text: str) -> _Typed:
    words = [*_WORD.finditer(text)]
    marker = next((at for at, word in enumerate(words) if word[0] == _PROMPT_FOLLOWS), None)
    head = words[:marker]
    typed, first, last = _Typed(), 0, len(head)
    while (option := _option_at(head, first, last)) and typed.take(option):
        first += option.words
    quoted = _unquoted(_between(text, head[first:last]))
    while quoted is None and (option := _option_before(head, first, last)) and typed.take(option):
        last -= option.words
        quoted = _unquoted(_between(text, head[first:last]))
    typed.is_literal = quoted is not None or marker is not None
    typed.prompt = _between(text, head[first:last]) if quoted is None else quoted
    if marker is not None:
        typed.prompt = f"{typed.prompt} {text[words[marker].end() :].strip()}".strip()
    return typed


def _between(text: str, words: Sequence[re.Match[str]]) -> str:
    return text[words[0].start() : words[-1].end()] if words else ""


def _unquoted(text: str) -> str | None:
    """The text without the quotes around it; None: it is not in quotes as a whole."""
    closing = _CLOSING_QUOTES.get(text[:1], "")
    inside = text[1:-1]
    if len(text) < len('""') or text[-1] not in closing:
        return None
    return None if any(quote in inside for quote in text[0] + closing) else inside.strip()


def _option_before(words: Sequence[re.Match[str]], first: int, end: int) -> _Option | None:
    """The option that ends with the last word."""
    for at in range(end - 1, max(first, end - 4) - 1, -1):
        option = _option_at(words, at, end)
        if option is not None and option.words == end - at:
            return option
    return None


def _option_at(words: Sequence[re.Match[str]], at: int, end: int) -> _Option | None:
    """The option that begins with this word."""
    found = _OPTION.fullmatch(words[at][0]) if at < end else None
    if found is None:
        return None
    dashes, typed, value = found[1], found[2].lower(), found[3]
    closest = _closest(typed, _OPTIONS)
    # Only two hyphens are certainly meant as an option.
    if (dashes == "-" and closest != typed) or (dashes != "--" and closest is None):
        return None
    if value is not None:
        is_flag = closest in _FLAGS
        return _Option(f"{typed}={value}" if is_flag else typed, closest, value.strip(_QUOTES), 1)
    if closest in _FLAGS:
        return _Option(typed, closest, "", 1)
    following = [word[0] for word in words[at + 1 : min(end, at + 4)]]
    value = _value(closest, following)
    return _Option(typed, closest, " ".join(value).strip(_QUOTES), 1 + len(value))


def _value(option: str | None, following: Sequence[str]) -> Sequence[str]:
    """The words after an option that are its value."""
    match _OPTIONS.get(option or ""), following:
        case _, [word, *_] if (found := _OPTION.fullmatch(word)) and found[2].lower() in _OPTIONS:
            return []
        case "size", [_, "x" | "X" | "×", _]:  # noqa: RUF001 -- as a card shows it
            return following
        case "seconds", [_, unit, *_] if unit in _UNITS:
            return following[:2]
        case _:
            return following[:1]


def _subcommand(draft: Draft) -> Run | OpenForm | None:
    words = draft.prompt.split(maxsplit=2)
    if not words:
        return None
    name, argument = _subcommand_name(words[0]), _bare("".join(words[1:2]))
    has_id, is_alone = _JOB_ID.fullmatch(argument) is not None, len(words) == 1
    is_exact = _bare(words[0]) == name or _HELP_SIGNS.fullmatch(words[0]) is not None
    is_search = name == "search" and is_exact
    if name is None or (len(words) > SHORT and not (has_id or is_search)):
        return None
    is_all = is_alone and is_exact and draft == Draft(prompt=draft.prompt)
    match name:
        case "form":
            return OpenForm(replace(draft, prompt="".join(words[1:])) if is_exact else draft)
        case "search":
            return Run(Subcommand.SEARCH, " ".join(words[1:]), None if is_exact else draft)
        case "status" if is_alone:
            return Run(Subcommand.LIST, draft=draft)
        case "status" | "cancel":
            return Run(Subcommand(name), argument, None if has_id and is_exact else draft)
        case _:
            return Run(Subcommand(name), argument, None if is_all else draft)


def _subcommand_name(word: str) -> str | None:
    """The subcommand, or `form`, that this word is or is probably meant to be."""
    if _HELP_SIGNS.fullmatch(word):
        return _HELP
    return _closest(_bare(word), [*Subcommand, _FORM])


def _bare(word: str) -> str:
    """The word without the signs around it, as in `cancel!` or "`0123abcdef`"."""
    return word.strip(_SIGNS).lower()


def _closest(word: str, words: Collection[str]) -> str | None:
    """The one of these words that this one is, perhaps misspelled."""
    if word in words:
        return word
    if len(word) > MAX_WORD:
        return None
    swapped = [each for each in words if sorted(each) == sorted(word)]
    similar = difflib.get_close_matches(word, words, n=1, cutoff=CLOSE)
    return next(iter(swapped + similar), None)
