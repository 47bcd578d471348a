"""The catalog: the bundled one, and an installation's own."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from bot.catalog import Catalog, load_catalog, read_catalog
from bot.errors import MisconfiguredError

DOCS = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text()


def refusal(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(MisconfiguredError) as caught:
        load_catalog(path)
    return caught.value.message


def of(catalog: Catalog, name: str, size: str, seconds: str) -> Decimal | None:
    model = catalog.find(name)
    assert model is not None
    return model.price(seconds=seconds, size=size)


def test_the_bundled_catalog_matches_the_videos_api() -> None:
    catalog = load_catalog()
    assert [model.name for model in catalog.models] == [
        "sora-2",
        "sora-2-pro",
        "sora-2-2025-10-06",
        "sora-2-pro-2025-10-06",
        "sora-2-2025-12-08",
    ]
    assert catalog.default.name == "sora-2"
    assert {model.seconds for model in catalog.models} == {("4", "8", "12")}
    assert of(catalog, "sora-2", "720x1280", "8") == Decimal("0.80")
    assert of(catalog, "sora-2-pro", "720x1280", "8") == Decimal("2.40")
    assert of(catalog, "sora-2-pro", "1792x1024", "12") == Decimal("6.00")


def test_a_model_needs_only_a_name() -> None:
    [model] = read_catalog('[[models]]\nname = "Wan-AI/Wan2.2-T2V-A14B-Diffusers"').models
    assert (model.sizes, model.seconds, model.title) == ((), (), model.name)
    assert model.price(seconds="", size="") is None


def test_a_size_without_a_listed_price_has_no_price() -> None:
    catalog = read_catalog(
        'models = [{ name = "a", seconds = [4], price_per_second = { 8x8 = 0.1 } }]'
    )
    assert of(catalog, "a", "8x8", "4") == Decimal("0.4")
    assert of(catalog, "a", "16x16", "4") is None


def test_lengths_can_be_numbers_or_strings() -> None:
    catalog = read_catalog('models = [{ name = "a", seconds = [5.04, 4, "8"] }]')
    assert catalog.default.seconds == ("5.04", "4", "8")


NAMED = '[[models]]\nname = "a"\n'


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "models: is missing"),
        ("models = []", "models: "),
        ("models = [", "at end of document"),
        ("\n\nmodels = [}", "line 3"),
        (NAMED + 'sizes = ["8x8", "big"]', "models[0].sizes[1]: should look like 1280x720"),
        (NAMED + "seconds = [4, -1]", "models[0].seconds[1]: should look like 8"),
        (NAMED + "seconds = [true]", "models[0].seconds[0]: "),
        (NAMED + 'sizes = ["8x8", "8x8"]', "models[0]: `sizes` has 8x8 twice"),
        (NAMED + "second = [4]", "models[0].second: there is no such setting"),
        (NAMED + "price_per_second = 0", "models[0].price_per_second"),
        (NAMED + NAMED, "the model a is listed twice"),
        ('default_model = "b"\n' + NAMED, "`default_model` is b"),
        ('[[models]]\nlabel = "A"', "models[0].name: is missing"),
        (
            '[[models]]\nname = "' + "a" * 76 + '"',
            "models[0]: its name has more than 75 characters",
        ),
        ("".join(f'[[models]]\nname = "{n}"\n' for n in range(101)), "models: "),
        (NAMED + f"seconds = {[*range(1, 102)]}", "models[0].seconds: "),
    ],
)
def test_an_invalid_catalog_is_reported_in_one_line_with_its_location(
    tmp_path: Path, text: str, hint: str
) -> None:
    path = tmp_path / "catalog.toml"
    message = refusal(path, text)
    assert message.startswith(f"VIDEO_CATALOG {path}: ")
    assert hint in message
    assert "\n" not in message


def test_a_missing_catalog_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MisconfiguredError, match=r"VIDEO_CATALOG .+nowhere\.toml: No such file"):
        load_catalog(tmp_path / "nowhere.toml")


def test_the_examples_in_the_docs_are_valid_catalogs() -> None:
    examples = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)
    assert len(examples) >= 3
    for example in examples:
        assert read_catalog(example).models
