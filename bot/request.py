"""What can be requested: the create parameters of a video, checked against the catalog."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from bot.catalog import Catalog, Model
from bot.errors import BadRequest, RequestProblem

MAX_PROMPT_LENGTH = 32_000
"""Characters, from the Videos API (OpenAI's OpenAPI spec 2.3.0, `prompt.maxLength`)."""

MAX_PROMPT_BYTES = 4 * MAX_PROMPT_LENGTH + 3
"""The longest prompt in UTF-8, with the byte order mark that some editors add."""

_UNIT = re.compile(r"(?<=\d) ?s(?:ec(?:ond)?s?)?$", re.IGNORECASE | re.ASCII)

# PostgreSQL cannot store NUL, and UTF-8 has no lone surrogates.
_UNSENDABLE = re.compile("[\0\ud800-\udfff]")


class Fit(StrEnum):
    """How a picture is fitted to the shape of the video."""

    CROP = "crop"
    PAD = "pad"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputReference:
    """The starting picture: a file in Slack, and the user who must have uploaded it."""

    file_id: str
    user_id: str
    fit: Fit = Fit.CROP


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRequest:
    """The create parameters of the Videos API, checked against the catalog.

    An empty `seconds` or `size` is not sent: the server decides.
    """

    prompt: str
    model: str
    seconds: str
    size: str
    input_reference: InputReference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What someone has typed or chosen so far: possibly incomplete, and unchecked."""

    prompt: str = ""
    model: str | None = None
    seconds: str | None = None
    size: str | None = None
    input_reference: InputReference | None = None


def make_draft(
    *,
    prompt: str,
    catalog: Catalog,
    model: str | None = None,
    seconds: str | None = None,
    size: str | None = None,
) -> Draft:
    """A draft whose values are spelled as in the catalog: `8` for `8s`, `1280x720` for `wide`.

    What the catalog doesn't have stays as it is.
    """
    chosen = catalog.default if model is None else catalog.find(model)
    if seconds is not None:
        seconds = _UNIT.sub("", seconds)
    if size is not None and chosen is not None:
        size = chosen.size_like(size) or size
    return Draft(prompt=prompt, model=model, seconds=seconds, size=size)


def make_request(draft: Draft, catalog: Catalog) -> VideoRequest:
    """A request with the model's defaults for whatever was not chosen.

    Raises:
        BadRequest: a value is not one that the catalog allows.
    """
    check_prompt(draft.prompt)
    model = _check_model(draft.model, catalog)
    return VideoRequest(
        prompt=draft.prompt,
        model=model.name,
        seconds=_check_seconds(draft.seconds, model),
        size=_check_size(draft.size, model, catalog),
        input_reference=draft.input_reference,
    )


def cheapest(request: VideoRequest, catalog: Catalog, *, at_most: Decimal) -> VideoRequest | None:
    """The same video with the cheapest choices, the first of several, if that is cheap enough."""
    priced = [
        (price, replace(request, model=model.name, seconds=seconds, size=size))
        for model in catalog.models
        for seconds in model.seconds
        for size in model.sizes or ("",)
        if (price := model.price(seconds=seconds, size=size)) is not None and price <= at_most
    ]
    return min(priced, key=lambda choice: choice[0])[1] if priced else None


def check_prompt(prompt: str) -> None:
    """Check that the prompt can be sent to a Videos server.

    Raises:
        BadRequest: it is empty, too long or contains characters that can't be sent.
    """
    if not prompt.strip():
        raise BadRequest(RequestProblem.PROMPT_MISSING, field="prompt")
    if len(prompt) > MAX_PROMPT_LENGTH:
        raise BadRequest(
            RequestProblem.PROMPT_TOO_LONG,
            field="prompt",
            value=f"{len(prompt):,}",
            allowed=(f"{MAX_PROMPT_LENGTH:,}",),
        )
    if _UNSENDABLE.search(prompt):
        raise BadRequest(RequestProblem.PROMPT_UNSENDABLE, field="prompt")


def _check_model(name: str | None, catalog: Catalog) -> Model:
    if name is None:
        return catalog.default
    model = catalog.find(name)
    if model is None:
        raise _not_allowed("model", name, [model.name for model in catalog.models])
    return model


def _check_seconds(seconds: str | None, model: Model) -> str:
    if seconds is None:
        return next(iter(model.seconds), "")
    if seconds not in model.seconds:
        raise _not_allowed("seconds", seconds, model.seconds)
    return seconds


def _check_size(size: str | None, model: Model, catalog: Catalog) -> str:
    if size is None:
        return next(iter(model.sizes), "")
    if size in model.sizes:
        return size
    alternative = next(iter(catalog.models_for(size)), None)
    raise _not_allowed("size", size, model.sizes, alternative)


def _not_allowed(
    field: str, value: str, allowed: Sequence[str], alternative: str | None = None
) -> BadRequest:
    return BadRequest(
        RequestProblem.NOT_ALLOWED,
        field=field,
        value=value,
        allowed=tuple(allowed),
        alternative=alternative,
    )
