"""The grammar of what people type, and what a request may be."""

import pytest

from bot.catalog import load_catalog, read_catalog
from bot.command import Cancel, Help, List, OpenForm, Search, Start, Status, parse
from bot.errors import BadRequest
from bot.request import MAX_PROMPT_LENGTH, Draft, VideoRequest
from bot.ui.replies import problem

CATALOG = load_catalog()
BARE = read_catalog('models = [{ name = "wan" }]')
"""A server that decides about sizes and lengths itself."""


def read(text: str) -> VideoRequest:
    command = parse(text, CATALOG)
    assert isinstance(command, Start)
    return command.request


def refusal(text: str) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        parse(text, CATALOG)
    return caught.value


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("list", List()),
        (" List ", List()),
        ("status 0123abcdef", Status("0123abcdef")),
        ("Cancel  0123ABCDEF", Cancel("0123abcdef")),
        ("search", Search("")),
        ("Search for  Clouds", Search("for clouds")),
    ],
)
def test_a_question_about_jobs_starts_nothing(
    text: str, command: List | Status | Cancel | Search
) -> None:
    assert parse(text, CATALOG) == command


@pytest.mark.parametrize(
    "text",
    [
        "list of animals dancing",
        "cancel culture",
        "cancel",
        "status",
        "status quo",
        "status 0123abcde",
        "cancel 0123abcdef now",
        "cancel 0123abcdeg",
        "-- list",
        "\u017ftatus 0123abcdef",  # a long s, which is an s only to a pattern that ignores case
    ],
)
def test_a_question_followed_by_other_words_is_a_prompt(text: str) -> None:
    assert read(text).prompt == text.removeprefix("-- ")


def test_a_prompt_alone_gets_the_defaults_of_the_api() -> None:
    assert read("a timelapse of clouds") == VideoRequest(
        prompt="a timelapse of clouds", model="sora-2", seconds="4", size="720x1280"
    )


def test_options_count_at_the_end_in_any_order() -> None:
    assert read("clouds --size 1280x720 --model sora-2-pro --seconds 8") == VideoRequest(
        prompt="clouds", model="sora-2-pro", seconds="8", size="1280x720"
    )


@pytest.mark.parametrize(
    "text", ["clouds --seconds=8", "clouds —seconds 8", "clouds --SECONDS 8", "clouds --seconds 8 "]
)
def test_options_are_understood_as_phones_write_them(text: str) -> None:
    request = read(text)
    assert (request.prompt, request.seconds) == ("clouds", "8")


def test_a_size_copied_from_a_card_is_understood() -> None:
    assert read("clouds --size 1280×720").size == "1280x720"  # noqa: RUF001 -- the sign is meant


@pytest.mark.parametrize(
    "prompt",
    [
        "a film --loud and proud",
        "--seconds 8 pass before the clouds part",
        "clouds --second 8",
        "clouds --seconds 8 or so",
        "clouds - slowly - passing",
        "clouds — size matters",
        "<!channel> <@U1> @here `code` *bold* https://example.com",
        "two  spaces and\na new line",
    ],
)
def test_everything_else_is_prompt_to_the_letter(prompt: str) -> None:
    assert read(prompt).prompt == prompt


@pytest.mark.parametrize(
    ("text", "prompt", "seconds"),
    [
        ("clouds -- --seconds", "clouds --seconds", "4"),
        ("clouds -- --seconds 8", "clouds --seconds 8", "4"),
        ("-- help", "help", "4"),
        ("-- --seconds 8", "--seconds 8", "4"),
        ("--seconds 8 -- clouds --size huge", "clouds --size huge", "8"),
        ("clouds --seconds 12 -- and -- rain", "clouds and -- rain", "12"),
        ("clouds --", "clouds", "4"),
    ],
)
def test_everything_after_the_marker_is_the_prompt(text: str, prompt: str, seconds: str) -> None:
    request = read(text)
    assert (request.prompt, request.seconds) == (prompt, seconds)


@pytest.mark.parametrize("text", ["help", " HELP "])
def test_help_asks_for_help(text: str) -> None:
    assert parse(text, CATALOG) == Help()


@pytest.mark.parametrize("text", ["", "   ", "--form", "—form"])
def test_an_empty_text_opens_the_empty_form(text: str) -> None:
    assert parse(text, CATALOG) == OpenForm(Draft())


@pytest.mark.parametrize(
    "text", ["clouds --seconds 8 --form", "clouds --form --seconds 8", "clouds --FORM --seconds=8"]
)
def test_the_form_can_be_asked_for_with_what_is_known_already(text: str) -> None:
    assert parse(text, CATALOG) == OpenForm(Draft(prompt="clouds", seconds="8"))


@pytest.mark.parametrize("prompt", ["a --form of clouds", "clouds --forms", "clouds --form=x"])
def test_a_form_in_the_prompt_is_prompt(prompt: str) -> None:
    assert read(prompt).prompt == prompt


def test_what_a_model_does_not_take_is_left_to_the_server() -> None:
    assert parse("clouds", BARE) == Start(
        VideoRequest(prompt="clouds", model="wan", seconds="", size="")
    )
    with pytest.raises(BadRequest) as refused:
        parse("clouds --seconds 4", BARE)
    assert "leave it out" in problem(refused.value)


@pytest.mark.parametrize(
    ("text", "field", "hint"),
    [
        ("clouds --seconds 5", "seconds", "4, 8 or 12"),
        ("clouds --size 100x100", "size", "720x1280 or 1280x720"),
        ("clouds --size 1024x1792", "size", "sora-2-pro makes 1024x1792"),
        ("clouds --model sora-1", "model", "sora-2-pro"),
        ("clouds --seconds", "seconds", "needs a value"),
        ("clouds --seconds 4 --seconds 8", "seconds", "twice"),
        ("--seconds 8", "prompt", "missing"),
        ("--", "prompt", "missing"),
        ("nul \0", "prompt", "no text"),
        ("half a pair \ud83d", "prompt", "no text"),
        ("x" * (MAX_PROMPT_LENGTH + 1), "prompt", "32,001 characters; 32,000 is the most"),
    ],
)
def test_a_wrong_request_is_told_what_is_allowed(text: str, field: str, hint: str) -> None:
    error = refusal(text)
    assert error.field == field
    assert hint in problem(error)


def test_a_prompt_of_exactly_the_limit_is_taken() -> None:
    assert len(read("x" * MAX_PROMPT_LENGTH).prompt) == MAX_PROMPT_LENGTH


def test_a_long_run_of_spaces_is_read_in_a_moment() -> None:
    text = "a" + " " * 30_000 + "--seconds" + " " * 1_000 + "b c"
    assert read(text).prompt == text
