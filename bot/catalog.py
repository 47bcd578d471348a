"""The models that may be asked for, and what each of them makes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """One model; the first of `sizes` and of `seconds` is what it makes when nobody chose."""

    name: str
    sizes: tuple[str, ...]
    seconds: tuple[str, ...] = ("4", "8", "12")


@dataclass(frozen=True, slots=True)
class Catalog:
    """The models of this installation; the first is the default."""

    models: tuple[Model, ...]

    @property
    def default(self) -> Model:
        """The model for who did not choose."""
        return self.models[0]

    def find(self, name: str) -> Model | None:
        """The model of this name."""
        return next((model for model in self.models if model.name == name), None)

    def models_for(self, size: str) -> list[str]:
        """The names of the models that make this size."""
        return [model.name for model in self.models if size in model.sizes]


_720P = ("720x1280", "1280x720")
_1024P = ("1024x1792", "1792x1024")

# OpenAI's OpenAPI spec 2.3.0 names the models, seconds and sizes; its guide keeps 1024p to the
# pro models.
OPENAI = Catalog(
    models=(
        Model("sora-2", _720P),
        Model("sora-2-pro", _720P + _1024P),
        Model("sora-2-2025-10-06", _720P),
        Model("sora-2-pro-2025-10-06", _720P + _1024P),
        Model("sora-2-2025-12-08", _720P),
    )
)
