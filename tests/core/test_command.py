"""The grammar of commands, and the validation of requests."""

from dataclasses import replace

import pytest

from bot.catalog import load_catalog, read_catalog
from bot.command import Command, OpenForm, Refuse, Run, Start, Subcommand, may_be_chat, parse
from bot.errors import BadRequest
from bot.request import MAX_PROMPT_LENGTH, Draft, VideoRequest
from bot.ui.replies import problem

CATALOG = load_catalog()
BARE = read_catalog('models = [{ name = "wan" }]')
"""A model without configurable sizes and lengths."""
ID = "614d330684"


def read(text: str) -> VideoRequest:
    command = parse(text, CATALOG)
    assert isinstance(command, Start)
    return command.request


def refusal(text: str) -> BadRequest:
    command = parse(text, CATALOG)
    assert isinstance(command, Refuse)
    return command.error


def run(subcommand: str, argument: str = "", prompt: str | None = None, **options: str) -> Run:
    draft = None if prompt is None else Draft(prompt=prompt, **options)  # type: ignore[arg-type]  # only texts here
    return Run(Subcommand(subcommand), argument, draft)


def form(prompt: str = "", **options: str) -> OpenForm:
    return OpenForm(Draft(prompt=prompt, **options))  # type: ignore[arg-type]  # only texts here


# Subcommands


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("list", run("list")),
        (" List ", run("list")),
        ("list?", run("list")),
        ("/list", run("list")),
        ("lists", run("list", prompt="lists")),
        ("lst", run("list", prompt="lst")),
        ("lsit", run("list", prompt="lsit")),
        ("list all", run("list", "all", "list all")),
        ("list --all", run("list", "all", "list --all")),
        ("list --seconds 8", run("list", prompt="list", seconds="8")),
        ("status", run("list", prompt="status")),
        (f"status {ID}", run("status", ID)),
        ("status now", run("status", "now", "status now")),
        ("status quo", run("status", "quo", "status quo")),
        ("stauts 0123abcdef", run("status", "0123abcdef", "stauts 0123abcdef")),
        ("cancel", run("cancel", prompt="cancel")),
        ("cancel!", run("cancel", prompt="cancel!")),
        ("cancel it", run("cancel", "it", "cancel it")),
        ("cancel culture", run("cancel", "culture", "cancel culture")),
        ("cancel 614d33068", run("cancel", "614d33068", "cancel 614d33068")),
        ("Cancel  614D330684", run("cancel", ID)),
        (f"cancel `{ID}`", run("cancel", ID)),
        (f"cancel #{ID}.", run("cancel", ID)),
        (f"cancel <{ID}>", run("cancel", ID)),
        (f"cancel “{ID}” please", run("cancel", ID)),
        (f"cancle {ID}", run("cancel", ID, f"cancle {ID}")),
        ("search", run("search")),
        ("Search for  clouds at night", run("search", "for clouds at night")),
        ("search cancel it", run("search", "cancel it")),
        ("serach clouds", run("search", "clouds", "serach clouds")),
        ("form", form()),
        ("Form!", form()),
        ("form clouds", form("clouds")),
        ("form --seconds 8", form(seconds="8")),
        ("forms", form("forms")),
    ],
)
def test_subcommands_are_recognized_with_typos_and_one_more_word(
    text: str, command: Command
) -> None:
    assert parse(text, CATALOG) == command


@pytest.mark.parametrize(
    "text",
    [
        *("help", " HELP ", "Help!", "help?", "/help", "--help", "-help", "—help", "–help"),  # noqa: RUF001 -- as keyboards set it
        *("-h", "--h", "h", "?", "??", "-?", "/?", "usage", "--usage"),
    ],
)
def test_every_common_spelling_of_help_shows_it(text: str) -> None:
    assert parse(text, CATALOG) == run("help")


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("help me", "help me"),
        ("hlep", "hlep"),
        ("clouds --help", "clouds"),
        ("-h clouds", "clouds"),
    ],
)
def test_a_prompt_next_to_a_help_option_is_kept_as_a_draft(text: str, prompt: str) -> None:
    command = parse(text, CATALOG)
    assert isinstance(command, Run)
    assert (command.subcommand, command.draft) == (Subcommand.HELP, Draft(prompt=prompt))


@pytest.mark.parametrize(
    "text",
    [
        "list of animals dancing",
        "cancel 0123abcde of them",
        "help is on its way",
        "a form of art",
        "mist over the hills",
        "farm animals",
        "hello",
        "cats",
    ],
)
def test_a_prompt_can_begin_like_a_subcommand(text: str) -> None:
    assert read(text).prompt == text


@pytest.mark.parametrize(
    ("text", "prompt", "seconds"),
    [
        ("-- help", "help", "4"),
        ("-- list", "list", "4"),
        ("-- --seconds 8", "--seconds 8", "4"),
        ("clouds -- --seconds", "clouds --seconds", "4"),
        ("clouds -- --seconds 8", "clouds --seconds 8", "4"),
        ("--seconds 8 -- clouds --size huge", "clouds --size huge", "8"),
        ("clouds --seconds 12 -- and -- rain", "clouds and -- rain", "12"),
        ("clouds --", "clouds", "4"),
        ('"help"', "help", "4"),
        ("“cancel it”", "cancel it", "4"),
        ("„list“", "list", "4"),
        ("«status»", "status", "4"),
        ("'form'", "form", "4"),
        ('"a film --seconds 8"', "a film --seconds 8", "4"),
        ('"list" --seconds 8', "list", "8"),
        ("--seconds 8 “list --size wide”", "list --size wide", "8"),
    ],
)
def test_text_in_quotes_or_after_a_double_dash_is_a_prompt(
    text: str, prompt: str, seconds: str
) -> None:
    command = parse(text, CATALOG)
    assert isinstance(command, Start)
    assert command.is_explicit
    assert (command.request.prompt, command.request.seconds) == (prompt, seconds)


# Options


def test_a_prompt_alone_uses_the_api_defaults() -> None:
    assert read("a timelapse of clouds") == VideoRequest(
        prompt="a timelapse of clouds", model="sora-2", seconds="4", size="720x1280"
    )


@pytest.mark.parametrize(
    "text",
    [
        "clouds --size 1280x720 --model sora-2-pro --seconds 8",
        "--size 1280x720 --model sora-2-pro --seconds 8 clouds",
        "--model=sora-2-pro clouds --seconds=8 --size=1280x720",
        "--model “sora-2-pro” —seconds 8 clouds –size=1280x720",  # noqa: RUF001 -- as keyboards set it
        "-model sora-2-pro clouds -seconds 8 -size 1280x720",
        "clouds --SECONDS 8 --Size 1280X720 --MODEL sora-2-pro ",
    ],
)
def test_options_are_parsed_at_the_start_and_at_the_end(text: str) -> None:
    assert parse(text, CATALOG) == Start(
        VideoRequest(prompt="clouds", model="sora-2-pro", seconds="8", size="1280x720"),
        is_explicit=True,
    )


@pytest.mark.parametrize(
    ("option", "seconds"),
    [
        *(("--seconds 8", "8"), ("--seconds 8s", "8"), ("--seconds 8 s", "8")),
        *(("--duration 8s", "8"), ("--duration 8 seconds", "8"), ("--length=12sec", "12")),
    ],
)
def test_a_length_can_have_a_unit(option: str, seconds: str) -> None:
    assert read(f"clouds {option}").seconds == seconds
    assert read(f"{option} clouds").seconds == seconds


@pytest.mark.parametrize(
    ("option", "size"),
    [
        ("--size landscape", "1280x720"),
        ("--size wide", "1280x720"),
        ("--size Portrait", "720x1280"),
        ("--size tall", "720x1280"),
        ("--size 1280×720", "1280x720"),  # noqa: RUF001 -- the sign on the card
        ("--size 1280 × 720", "1280x720"),  # noqa: RUF001 -- as above
        ("--aspect 16:9", "1280x720"),
        ("--ar 16:9", "1280x720"),
        ("--ar=9:16", "720x1280"),
        ("--aspect-ratio 16/9", "1280x720"),
        ("--ar 7:4", "1280x720"),
        ("--ar 7:4 --model sora-2-pro", "1792x1024"),
    ],
)
def test_a_size_can_be_given_as_a_shape_or_an_aspect_ratio(option: str, size: str) -> None:
    assert read(f"clouds {option}").size == size
    assert read(f"{option} clouds").size == size


def test_a_shape_is_matched_against_the_sizes_of_the_model() -> None:
    square = read_catalog('models = [{ name = "wan", sizes = ["832x480", "640x640"] }]')
    assert parse("clouds --size square", square) == Start(
        VideoRequest(prompt="clouds", model="wan", seconds="", size="640x640"), is_explicit=True
    )
    command = parse("clouds --size tall", square)
    assert isinstance(command, Refuse)
    assert "832x480 or 640x640" in problem(command.error)
    assert parse("clouds --ar 16:9", square) == parse("clouds --size 832x480", square)


@pytest.mark.parametrize(
    "prompt",
    [
        "a film --loud and proud",
        "a film--loud",
        "clouds --seconds 8 or so",
        "clouds - slowly - passing",
        "clouds — size matters",
        "clouds – seconds pass",  # noqa: RUF001 -- as keyboards set it
        "the sea —calm",
        "a car -sized",
        "a sign that says “open”",
        'a sign that says "open"',
        "“open” and “closed”",
        "the 80's",
        "a --form of clouds",
        "<!channel> <@U1> @here `code` *bold* https://example.com",
        "two  spaces and\na new line",
        "\u017ftone",  # a long s, which matches "s" in a case-insensitive pattern
    ],
)
def test_all_other_text_is_kept_verbatim_in_the_prompt(prompt: str) -> None:
    assert read(prompt).prompt == prompt


CLOUDS = Draft(prompt="clouds")
TOO_LONG = "x" * (MAX_PROMPT_LENGTH + 1)


@pytest.mark.parametrize(
    ("text", "field", "hint", "draft"),
    [
        ("clouds --second 8", "second", "Did you mean `--seconds`?", replace(CLOUDS, seconds="8")),
        ("--second 8 clouds", "second", "Did you mean `--seconds`?", replace(CLOUDS, seconds="8")),
        ("clouds —second 8", "second", "Did you mean `--seconds`?", replace(CLOUDS, seconds="8")),
        ("clouds --modle a", "modle", "Did you mean `--model`?", replace(CLOUDS, model="a")),
        ("clouds --forms", "forms", "Did you mean `--form`?", CLOUDS),
        ("clouds --form=x", "form=x", "Did you mean `--form`?", CLOUDS),
        (
            "clouds --fps 24",
            "fps",
            "`--size`, `--model` or `--form`",
            Draft(prompt="clouds --fps 24"),
        ),
        ("a film --loud", "loud", "put ` -- ` in front", Draft(prompt="a film --loud")),
        ("--loud music plays", "loud", "There is no option", Draft(prompt="--loud music plays")),
        ("clouds --seconds 5", "seconds", "4, 8 or 12", replace(CLOUDS, seconds="5")),
        ("clouds --size 9x9", "size", "720x1280 or 1280x720", replace(CLOUDS, size="9x9")),
        ("clouds --size 1024x1792", "size", "sora-2-pro", replace(CLOUDS, size="1024x1792")),
        ("clouds --model sora-1", "model", "sora-2-pro", replace(CLOUDS, model="sora-1")),
        ("clouds --seconds", "seconds", "needs a value", CLOUDS),
        (
            "--duration --model a clouds",
            "duration",
            "needs a value",
            Draft(prompt="--model a clouds"),
        ),
        ("clouds --seconds=", "seconds", "needs a value", CLOUDS),
        ("clouds --seconds 4 --duration 8", "seconds", "twice", replace(CLOUDS, seconds="8")),
        ("nul \0", "prompt", "can't be sent", Draft(prompt="nul \0")),
        ("half a pair \ud83d", "prompt", "can't be sent", Draft(prompt="half a pair \ud83d")),
        (TOO_LONG, "prompt", "32,001", Draft(prompt=TOO_LONG)),
    ],
)
def test_an_invalid_request_names_the_field_and_what_is_allowed(
    text: str, field: str, hint: str, draft: Draft
) -> None:
    command = parse(text, CATALOG)
    assert isinstance(command, Refuse)
    assert command.error.field == field
    assert hint in problem(command.error)
    assert command.draft == draft


def test_an_option_that_the_model_does_not_support_is_rejected() -> None:
    assert parse("clouds", BARE) == Start(
        VideoRequest(prompt="clouds", model="wan", seconds="", size="")
    )
    command = parse("clouds --seconds 4", BARE)
    assert isinstance(command, Refuse)
    assert "Leave it out" in problem(command.error)


# The form


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("", form()),
        ("   ", form()),
        ("--form", form()),
        ("—form", form()),
        ("--", form()),
        ('""', form()),
        ("--seconds 8", form(seconds="8")),
        ("--size wide --seconds 8s", form(size="1280x720", seconds="8")),
        ("--seconds 8 --", form(seconds="8")),
        ("clouds --seconds 8 --form", form("clouds", seconds="8")),
        ("clouds --form --seconds 8", form("clouds", seconds="8")),
    ],
)
def test_the_form_opens_with_the_given_values(text: str, command: OpenForm) -> None:
    assert parse(text, CATALOG) == command


# Limits


def test_a_prompt_of_the_maximum_length_is_accepted() -> None:
    assert len(read("x" * MAX_PROMPT_LENGTH).prompt) == MAX_PROMPT_LENGTH


# Chat


@pytest.mark.parametrize(
    "text",
    [
        *("hi", "thanks!", "ok", "clouds", "northern lights", "👍", "hello there, how are you"),
        *(
            "thank you so much, this one is really great",
            "good morning everybody",
            "merci beaucoup",
        ),
        *("how do I delete a video", "can you make it slower", "what is this bot for"),
        *("where is my video", "is it done yet?", "a cat or a dog?", "遅くして", "cool, nice one"),
    ],
)
def test_short_or_conversational_text_may_be_chat(text: str) -> None:
    assert may_be_chat(text)


@pytest.mark.parametrize(
    "text",
    [
        *("a timelapse of clouds", "slower, at night", "hello kitty dances in a garden of roses"),
        *("good old men play chess in the park", "where the wild things are, a forest at night"),
        *("雨の降る東京の夜景をゆっくり", "how waves break at dusk, in slow motion"),
    ],
)
def test_a_description_of_a_video_is_not_chat(text: str) -> None:
    assert not may_be_chat(text)
