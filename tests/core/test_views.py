"""Every form of the bot is accepted by Slack, and read back as it was built."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from string import ascii_uppercase, digits
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.catalog import Catalog, Model, load_catalog, read_catalog
from bot.command import Refuse, parse
from bot.request import Draft, Fit, InputReference, VideoRequest
from bot.sandbox.slack import blocks as block_kit
from bot.sandbox.slack.objects import view_object
from bot.sandbox.slack.state import Workspace
from bot.sandbox.slack.web_api.views import check_view, push
from bot.ui import drafts, replies
from bot.ui.blocks import MAX_INPUT_TEXT
from bot.ui.form import MAX_NOTIFY, build_form, read_form, redraw_form
from bot.ui.remix import build_remix

CATALOG = load_catalog()
LARGEST = Catalog(
    models=tuple(
        Model(
            name=f"{number:03}" + "n" * 147,
            label="l" * 75,
            sizes=tuple(f"{99_999 - number - n}x{10_000 + n}" for n in range(100)),
            seconds=tuple(str(n) for n in range(1, 101)),
        )
        for number in range(100)
    )
)
BARE = read_catalog('models = [{ name = "wan" }]')
IDS = st.text(ascii_uppercase + digits, min_size=8, max_size=11)
TEXT = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
"""The characters that JSON can encode: no lone surrogates."""
USERS = st.builds("U{}".format, IDS)


@contextmanager
def slack() -> Iterator[Workspace]:
    with tempfile.TemporaryDirectory() as folder:
        yield Workspace(Path(folder), lambda: 1_800_000_000.0)


def as_slack_shows_it(form: dict[str, Any]) -> dict[str, Any]:
    """The view that Slack returns if the form is submitted unchanged."""
    with slack() as workspace:
        check_view(workspace, form, "modal")
        return view_object(workspace, push(workspace, workspace.ada.id, form))


@st.composite
def references(draw: st.DrawFn) -> InputReference | None:
    reference = st.builds(
        InputReference,
        file_id=st.builds("F{}".format, IDS),
        user_id=USERS,
        fit=st.sampled_from(Fit),
    )
    return draw(st.none() | reference)


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    """Catalogs of any size that fits in Slack's menus."""
    side = st.integers(1, 99_999)
    models = st.builds(
        Model,
        name=st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=75),
        label=st.text(st.characters(exclude_categories=["C"]), max_size=75),
        sizes=st.lists(st.builds("{}x{}".format, side, side), max_size=100, unique=True).map(tuple),
        seconds=st.lists(st.integers(1, 999).map(str), max_size=100, unique=True).map(tuple),
        price_per_second=st.none() | st.decimals("0.0001", 99, places=4),
    )
    return Catalog(
        models=tuple(draw(st.lists(models, min_size=1, max_size=5, unique_by=lambda m: m.name)))
    )


@st.composite
def requests(draw: st.DrawFn, catalog: Catalog = CATALOG) -> VideoRequest:
    """Any valid request whose prompt fits in the field."""
    model = draw(st.sampled_from(catalog.models))
    words = st.text(TEXT, min_size=1, max_size=MAX_INPUT_TEXT)
    return VideoRequest(
        prompt=draw(words.filter(str.strip)),
        model=model.name,
        seconds=draw(st.sampled_from(model.seconds)) if model.seconds else "",
        size=draw(st.sampled_from(model.sizes)) if model.sizes else "",
        input_reference=draw(references()),
    )


@settings(max_examples=150, deadline=None)
@given(
    data=st.data(),
    channel_id=st.builds("C{}".format, IDS),
    notify=st.lists(USERS, max_size=MAX_NOTIFY, unique=True),
)
def test_any_valid_request_survives_a_round_trip_through_the_form(
    data: st.DataObject, channel_id: str, notify: list[str]
) -> None:
    catalog = data.draw(st.just(CATALOG) | catalogs())
    request = data.draw(requests(catalog))
    view = as_slack_shows_it(build_form(request, catalog, channel_id=channel_id, notify=notify))
    for _ in range(2):
        submission = read_form(view, catalog, user_id="U0ASKER000")
        fit = request.input_reference and submission.request.input_reference
        assert submission.request == request
        assert (submission.channel_id, submission.notify) == (channel_id, tuple(notify))
        assert (submission.prompt_file, fit) == (None, request.input_reference)
        view = as_slack_shows_it(redraw_form(view, catalog, "model"))


@settings(max_examples=60, deadline=None)
@given(catalog=catalogs(), prompt=st.text(TEXT, max_size=4000), reference=references())
def test_every_catalog_produces_a_form_that_slack_accepts(
    catalog: Catalog, prompt: str, reference: InputReference | None
) -> None:
    for model in catalog.models:
        draft = Draft(
            prompt=prompt, model=model.name, seconds="no", size="", input_reference=reference
        )
        view = build_form(draft, catalog)
        assert block_kit.problems_of_view(view) == []
        assert not block_kit.is_too_large(view)


@pytest.mark.parametrize("catalog", [CATALOG, LARGEST, BARE])
def test_the_largest_and_the_smallest_form_are_within_slacks_limits(catalog: Catalog) -> None:
    people = [f"U{number:010}" for number in range(MAX_NOTIFY)]
    picture = InputReference(file_id="F" * 20, user_id="U" * 20)
    for prompt in ("", "\U0001f3ac" * MAX_INPUT_TEXT, "x" * 32_000):
        draft = Draft(prompt=prompt, input_reference=picture)
        view = build_form(draft, catalog, channel_id="C" * 11, notify=people)
        assert block_kit.problems_of_view(view) == []
        assert not block_kit.is_too_large(view)


@pytest.mark.parametrize("catalog", [CATALOG, LARGEST, BARE])
def test_the_usage_and_long_prompt_messages_are_within_slacks_limits(catalog: Catalog) -> None:
    prompt = "&<" * 16_000
    returned = drafts.returned(replies.too_long_for_the_form(prompt), prompt)
    for message in (replies.usage("/video", catalog), *returned):
        assert block_kit.problems_of_message(message.blocks) == []
        assert not block_kit.is_too_long(message.blocks)


def names(view: dict[str, Any]) -> list[str]:
    return [block["block_id"].partition(":")[0] for block in view["blocks"]]


@pytest.mark.parametrize("name", ["size", "model"])
def test_the_reply_to_an_invalid_choice_among_hundreds_fits_slacks_limits(name: str) -> None:
    models = [replace(model, name=model.name.replace("n", "&")) for model in LARGEST.models]
    refusal = parse(f"clouds --{name} {'&' * 500}", Catalog(models=tuple(models)))
    assert isinstance(refusal, Refuse)
    [reply] = drafts.returned(replies.bad_request("/video", refusal.error), "clouds")
    assert block_kit.problems_of_message(reply.blocks) == []
    assert not block_kit.is_too_long(reply.blocks)
    assert "/video help" in reply.text


def test_the_form_omits_options_that_the_model_does_not_support() -> None:
    view = build_form(Draft(), BARE)
    assert not {"seconds", "size"} & set(names(view))
    assert view["blocks"][-1]["elements"][0]["text"] == "*Price:* unknown"


def test_more_than_ten_lengths_are_shown_as_a_menu() -> None:
    many = Catalog(models=(Model(name="a", seconds=tuple(map(str, range(1, 12)))),))
    few = Catalog(models=(Model(name="a", seconds=tuple(map(str, range(1, 11)))),))
    kinds = [
        build_form(Draft(), catalog)["blocks"][2]["element"]["type"] for catalog in (many, few)
    ]
    assert kinds == ["static_select", "radio_buttons"]


def test_the_prompt_comes_first_and_the_price_right_above_create() -> None:
    first, *_, before_last, last = names(build_form(Draft(), CATALOG))
    assert (first, before_last, last) == ("prompt", "more", "price")


@pytest.mark.parametrize("image", [None, InputReference(file_id="F0SKY", user_id="U0ADA")])
@pytest.mark.parametrize("prompt", ["", "clouds", "x" * 32_000])
def test_the_form_opens_with_seven_fields(prompt: str, image: InputReference | None) -> None:
    form = build_form(Draft(prompt=prompt, input_reference=image), CATALOG)
    assert len([block for block in form["blocks"] if block["type"] == "input"]) == 7


def test_dated_models_come_after_those_without_a_date() -> None:
    dated_first = read_catalog('models = [{ name = "sora-2-2025-10-06" }, { name = "sora-2" }]')
    menu = build_form(Draft(), dated_first)["blocks"][1]["element"]
    assert [option["value"] for option in menu["options"]] == ["sora-2", "sora-2-2025-10-06"]
    assert menu["initial_option"]["value"] == "sora-2-2025-10-06"


def test_the_form_of_a_remix_says_what_it_costs() -> None:
    priced = build_remix("0123456789", "clouds", price=Decimal("2.4"))
    assert "*Price:* about $2.40" in str(priced["blocks"][-1])
    unpriced = build_remix("0123456789", "clouds", price=None)
    assert "*Price:* unknown" in str(unpriced["blocks"][-1])
    assert block_kit.problems_of_view(priced) == []
