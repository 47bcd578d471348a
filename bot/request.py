"""What may be asked: a video request, and the text after `/video` that makes one."""

import re
from dataclasses import dataclass
from enum import StrEnum

from bot.catalog import Catalog, Model
from bot.errors import BadRequest

MAX_PROMPT_LENGTH = 32_000
"""Characters, from the Videos API (OpenAI's OpenAPI spec 2.3.0, `prompt.maxLength`)."""

MAX_PROMPT_BYTES = 4 * MAX_PROMPT_LENGTH + 3
"""The longest prompt as UTF-8, with the mark that some editors put in front."""

# Phones turn two hyphens into a dash, so a dash before a known name counts as `--`.
_OPTION_AT_END = re.compile(
    r"(?:^|\s)(?:--|[—–])(?:(form)|(seconds|size|model)(?:(?:=|\s+)(\S+))?)$",  # noqa: RUF001 -- that dash is meant
    re.IGNORECASE,
)
# NUL cannot be kept in PostgreSQL, and half a surrogate pair cannot be sent as UTF-8.
_UNSENDABLE = re.compile("[\0\ud800-\udfff]")
_INQUIRY = re.compile(r"(list)|(status|cancel)\s+([0-9a-f]{10})", re.IGNORECASE)
_PROMPT_FOLLOWS = re.compile(r"(?:^|(?<=\s))--(?=\s|$)")


class Fit(StrEnum):
    """How a picture of another shape gets the shape of the video."""

    CROP = "crop"
    PAD = "pad"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputReference:
    """A picture to begin with: the file in Slack, and whose it must be."""

    file_id: str
    user_id: str
    fit: Fit = Fit.CROP


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRequest:
    """The create parameters of the Videos API, checked against the catalog.

    An empty `seconds` or `size` is one that the model's server does not take.
    """

    prompt: str
    model: str
    seconds: str
    size: str
    input_reference: InputReference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a form begins with: perhaps incomplete, and not yet checked."""

    prompt: str = ""
    model: str | None = None
    seconds: str | None = None
    size: str | None = None
    input_reference: InputReference | None = None


class Verb(StrEnum):
    """What people may want of their jobs by words."""

    LIST = "list"
    STATUS = "status"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A word about jobs instead of a prompt; the id is empty for a list."""

    verb: Verb
    job_id: str = ""


def read_inquiry(text: str) -> Inquiry | None:
    """Read `list`, `status ID` or `cancel ID`; a text that says anything more is a prompt."""
    found = _INQUIRY.fullmatch(text.strip())
    if found is None:
        return None
    return Inquiry(Verb((found[1] or found[2]).lower()), (found[3] or "").lower())


def read_command(text: str, catalog: Catalog) -> VideoRequest | Draft | None:
    """Read the text after the slash command; a draft wants the form, and None wants help.

    Known options count only at the end of the text, so that a prompt may hold `--` anywhere
    else; behind a bare ` -- ` everything is prompt.

    Raises:
        BadRequest: the prompt or an option is not what the catalog allows.
    """
    if text.strip().lower() == "help":
        return None
    head, marker, tail = _split_at_marker(text)
    head, options = _take_options(head)
    prompt = f"{head} {tail}".strip() if marker else head.strip()
    wants_form = options.pop("form", None) is not None
    if wants_form or not text.strip():
        model, seconds, size = (options.get(name) for name in ("model", "seconds", "size"))
        return Draft(prompt=prompt, model=model, seconds=seconds, size=size)
    return make_request(prompt=prompt, catalog=catalog, **options)


def make_request(
    *,
    prompt: str,
    catalog: Catalog,
    model: str | None = None,
    seconds: str | None = None,
    size: str | None = None,
) -> VideoRequest:
    """A request with the model's own defaults for what was not chosen.

    Raises:
        BadRequest: something is not what the catalog allows; `field` says what.
    """
    check_prompt(prompt)
    chosen = _check_model(model, catalog)
    return VideoRequest(
        prompt=prompt,
        model=chosen.name,
        seconds=_check_seconds(seconds, chosen),
        size=_check_size(size, chosen, catalog),
    )


def check_prompt(prompt: str) -> None:
    """Stop at a prompt that no server takes.

    Raises:
        BadRequest: says why.
    """
    if not prompt.strip():
        raise BadRequest("A prompt is missing: say what the video should show.", field="prompt")
    if len(prompt) > MAX_PROMPT_LENGTH:
        raise BadRequest(
            f"The prompt has {len(prompt):,} characters; {MAX_PROMPT_LENGTH:,} is the most.",
            field="prompt",
        )
    if _UNSENDABLE.search(prompt):
        raise BadRequest(
            "The prompt holds a character that is no text. Please type it anew.", field="prompt"
        )


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
            raise BadRequest(
                f"`--{name}` needs a value. If it is part of your prompt, "
                "put ` -- ` in front of the prompt.",
                field=name,
            )
        if name in options:
            raise BadRequest(f"`--{name}` stands there twice. Give it once.", field=name)
        options[name] = value
        text = text[: found.start()]
    return text, options


def _check_model(name: str | None, catalog: Catalog) -> Model:
    if name is None:
        return catalog.default
    model = catalog.find(name)
    if model is None:
        raise BadRequest(
            _not_allowed("model", name, [model.name for model in catalog.models]), field="model"
        )
    return model


def _check_seconds(seconds: str | None, model: Model) -> str:
    if seconds is None:
        return next(iter(model.seconds), "")
    if seconds not in model.seconds:
        raise BadRequest(_not_allowed("seconds", seconds, model.seconds), field="seconds")
    return seconds


def _check_size(size: str | None, model: Model, catalog: Catalog) -> str:
    if size is None:
        return next(iter(model.sizes), "")
    size = size.lower().replace("×", "x")  # noqa: RUF001 -- people copy the sign from the card
    if size in model.sizes:
        return size
    message = _not_allowed("size", size, model.sizes)
    if others := catalog.models_for(size):
        message += f" {model.name} does not make {size}; {others[0]} does."
    raise BadRequest(message, field="size")


def _not_allowed(name: str, value: str, allowed: list[str] | tuple[str, ...]) -> str:
    if not allowed:
        return f"`--{name}` cannot be chosen for this model: leave it out."
    *most, last = allowed
    choices = f"{', '.join(most)} or {last}" if most else last
    return (
        f"`--{name}` cannot be “{value[:80]}”: it is {choices}. "
        "If those words are part of your prompt, put ` -- ` in front of the prompt."
    )
