"""The models that can be requested, with their sizes, lengths and prices.

The data is in `catalog.toml` beside this file, or in the file set by VIDEO_CATALOG.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from bot.errors import MisconfiguredError

MAX_OPTIONS = 100
"""Of a select menu in Slack (docs.slack.dev: select menu element)."""

RATIO_TOLERANCE = Fraction(1, 20)
"""By how much a size may differ from the aspect ratio that was asked for: 832x480 is 16:9."""


def _texts(values: Any) -> Any:  # noqa: ANN401 -- whatever stands in the file
    """Lengths are strings in the Videos API, but people write them as numbers."""
    if not isinstance(values, list):
        return values
    return tuple(str(value) if type(value) in {int, Decimal} else value for value in values)


def _like(pattern: str, example: str) -> AfterValidator:
    def check(value: str) -> str:
        if re.fullmatch(pattern, value, re.ASCII) is None:
            raise ValueError(f"should look like {example}")
        return value

    return AfterValidator(check)


Size = Annotated[str, _like(r"[1-9]\d{0,4}x[1-9]\d{0,4}", "1280x720")]
Seconds = Annotated[str, _like(r"\d{1,4}(\.\d{1,3})?", "8")]
Price = Annotated[Decimal, Field(gt=0, lt=10_000)]
# Slack's limits: 150 characters for an option's value, 75 for its words.
Name = Annotated[str, Field(min_length=1, max_length=150)]
Label = Annotated[str, Field(max_length=75)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model; the first of `sizes` and of `seconds` are its defaults.

    An empty list is not sent: the server decides.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: Name
    label: Label = ""
    sizes: Annotated[tuple[Size, ...], Field(max_length=MAX_OPTIONS)] = ()
    seconds: Annotated[
        tuple[Seconds, ...], BeforeValidator(_texts), Field(max_length=MAX_OPTIONS)
    ] = ()
    price_per_second: Price | dict[Size, Price] | None = None
    """In US dollars, for all sizes or for each."""
    charges_failures: bool = False
    """Whether the server charges for a video that it could not make."""

    def __post_init__(self) -> None:
        if len(self.title) > 75:  # noqa: PLR2004 -- as above
            raise ValueError("its name has more than 75 characters: add a shorter `label`")
        for what, values in (("sizes", self.sizes), ("seconds", self.seconds)):
            if twice := _twice(values):
                raise ValueError(f"`{what}` has {twice} twice")

    @property
    def title(self) -> str:
        """The name that people see."""
        return self.label or self.name

    def size_like(self, wanted: str) -> str | None:
        """The size that someone means by `1280x720`, `landscape` or `16:9`; None: it has none."""
        # People copy `720 × 1280` from a card.  # noqa: RUF003 -- that sign
        wanted = wanted.lower().replace("×", "x").replace(" ", "")  # noqa: RUF001 -- that sign
        if wanted in self.sizes:
            return wanted
        if wanted in _SHAPES:
            return next((size for size in self.sizes if _shape(size) == _SHAPES[wanted]), None)
        if ratio := _RATIO.fullmatch(wanted):
            return self._closest(Fraction(int(ratio[1]), int(ratio[2])))
        return None

    def _closest(self, ratio: Fraction) -> str | None:
        """The size closest to this aspect ratio, if it is close at all."""
        ratios = {size: Fraction(*_measures(size)) for size in self.sizes}
        size = min(ratios, key=lambda size: abs(ratios[size] / ratio - 1), default=None)
        is_close = size is not None and abs(ratios[size] / ratio - 1) <= RATIO_TOLERANCE
        return size if is_close else None

    def price(self, *, seconds: str, size: str) -> Decimal | None:
        """The price of a video in US dollars, if it is known."""
        each = self.price_per_second
        if isinstance(each, dict):
            each = each.get(size)
        return None if each is None or not seconds else each * Decimal(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """The models of this installation."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    models: Annotated[tuple[Model, ...], Field(min_length=1, max_length=MAX_OPTIONS)]
    default_model: str = ""
    """Its name; by default the first model."""

    def __post_init__(self) -> None:
        if twice := _twice([model.name for model in self.models]):
            raise ValueError(f"the model {twice} is listed twice")
        if self.default_model and self.find(self.default_model) is None:
            raise ValueError(f"`default_model` is {self.default_model}, which is not in `models`")

    @property
    def default(self) -> Model:
        """The default model."""
        return self.find(self.default_model) or self.models[0]

    def find(self, name: str) -> Model | None:
        """The model with this name."""
        return next((model for model in self.models if model.name == name), None)

    def models_for(self, size: str) -> list[str]:
        """The names of the models that support this size, in any of its spellings."""
        return [model.name for model in self.models if model.size_like(size) is not None]

    def price(self, *, model: str, seconds: str, size: str) -> Decimal | None:
        """The price of a video in US dollars, if it is known."""
        found = self.find(model)
        return None if found is None else found.price(seconds=seconds, size=size)


def load_catalog(path: Path | None = None) -> Catalog:
    """The catalog in this file, or the built-in one.

    Raises:
        MisconfiguredError: one line that names VIDEO_CATALOG and the place in the file.
    """
    file = path or resources.files("bot") / "catalog.toml"
    try:
        return read_catalog(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _wrong(path, error.strerror or "cannot be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong(path, str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        words = _WORDS.get(first["type"], first["msg"].removeprefix("Value error, "))
        raise _wrong(path, f"{_place(first['loc'])}{words}") from error


def read_catalog(text: str) -> Catalog:
    """The catalog in this TOML text."""
    return _CATALOG.validate_python(tomllib.loads(text, parse_float=Decimal))


_CATALOG = TypeAdapter(Catalog)
_WORDS = {"missing": "is missing", "unexpected_keyword_argument": "there is no such setting"}


def _wrong(path: Path | None, reason: str) -> MisconfiguredError:
    return MisconfiguredError(f"VIDEO_CATALOG {path}: {reason}".replace("\n", " "))


def _place(location: Sequence[int | str]) -> str:
    """`models[2].sizes[0]: `, counted from 0."""
    names = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(names).removeprefix(".") + ": " if names else ""


_SHAPES = {
    **dict.fromkeys(("landscape", "wide", "horizontal"), "landscape"),
    **dict.fromkeys(("portrait", "tall", "vertical"), "portrait"),
    "square": "square",
}
_RATIO = re.compile(r"([1-9]\d?)[:/x]([1-9]\d?)", re.ASCII)


def _measures(size: str) -> tuple[int, int]:
    width, height = size.split("x")
    return int(width), int(height)


def _shape(size: str) -> str:
    width, height = _measures(size)
    return "square" if width == height else "portrait" if width < height else "landscape"


def _twice(values: Sequence[str]) -> str | None:
    return next((value for value in values if values.count(value) > 1), None)
