"""Every private reply: usage, what is wrong with a request, and one's own videos."""

from collections.abc import Iterable, Sequence

from bot.catalog import Catalog
from bot.drafts import NotConfirmed, OverLimit
from bot.errors import BadRequest, BotError, FileRefused, Impossible, NotPossible, RequestProblem
from bot.jobs import Job
from bot.ui import limits
from bot.ui.blocks import (
    MAX_INPUT_TEXT,
    MAX_MESSAGE_TEXT,
    Message,
    actions,
    button,
    escape,
    excerpt,
    section,
)
from bot.ui.cards import named
from bot.ui.drafts import ask_to_confirm
from bot.ui.failures import file_problem
from bot.ui.home import NOTHING_YET, about, place
from bot.ui.states import summarize

OPEN_FORM = "open_form"
"""The action_id of the button that opens the form."""
MAKE_WITHOUT_PICTURE = "make_without_picture"
"""Makes a video again without its starting image; the value is the job's id."""

SHOWN_VALUES = 10
_ABOUT_VIDEOS = ("list", "search WORDS", "status ID", "cancel ID")
MAX_REASON = 550
"""Characters of a reason: escaping makes up to five of each, and a section has 3,000."""

DATABASE_DOWN = (
    "My database isn't responding, so I can't confirm your video. If no card appears in the "
    "channel within a few minutes, try again."
)
CANNOT_ANSWER = "My database isn't responding. Try again in a few minutes."
TOO_LATE = "Slack allows three seconds to open the form, and I took longer. Try again."
CANNOT_OPEN = "I can't open the form. Try again in a moment."
DATABASE_DOWN_FORM = (
    "My database isn't responding. Your entries are kept here: press the button again in a moment."
)
FILE_NOT_FETCHED = (
    "Slack didn't send me this file in time. Your entries are kept here: press the button again in "
    "a moment."
)
MEMBERS_ONLY = "Only members of the workspace where I'm installed can use me."
NO_GUESTS = "Guests can't make videos here. Ask a member of the workspace."
MEMBERSHIP_UNKNOWN = (
    "I can't check whether you're a member of this workspace. Try again in a moment."
)
_IF_PART_OF_PROMPT = "If {} part of your prompt, put ` -- ` in front of the prompt."


def usage(command: str, catalog: Catalog) -> Message:
    """How to use the command, with examples, and a button that opens the form."""
    words = "\n".join(
        [
            f"*Describe your video:*  `{command} a timelapse of clouds`",
            "I post a card in this channel, and the finished video in its thread.",
            f"*Add options, first or last:*  `{command} a timelapse of clouds{_example(catalog)}`",
            *_options(catalog),
            "• `--form` opens the form, where you can also add a starting image",
            "*Your videos:*  " + ", ".join(f"`{command} {verb}`" for verb in _ABOUT_VIDEOS),
            "*If the prompt itself begins or ends like an option,* put ` -- ` in front of it:",
            f"`{command} -- a film that ends with --seconds 8`",
        ]
    )
    return Message(text=words, blocks=[section(words), actions(button("More options…", OPEN_FORM))])


def too_long_for_the_form(prompt: str) -> str:
    """What to do with a prompt that is too long for the form."""
    return (
        f"Your prompt has {len(prompt):,} characters, and the form's text field takes "
        f"{MAX_INPUT_TEXT:,}. In the form, press *Use a text file instead* and add it as a .txt or "
        ".md file, or send it again without `--form`."
    )


def form_not_opened(*, expired: bool) -> Message:
    """Why there is no form; `expired`: Slack's three seconds were over."""
    return Message(TOO_LATE if expired else CANNOT_OPEN)


def bad_request(command: str, error: BadRequest) -> str:
    """Why a request was not started, and what to do; mrkdwn."""
    words = _escaped(problem(error))
    return f"{words}\nNo video was started. `{command} help` shows what you can do."


def refused(error: BotError, otherwise: str = DATABASE_DOWN) -> Message:
    """Why something was not done; `otherwise` is for what the person can't correct."""
    if isinstance(error, NotConfirmed):
        return ask_to_confirm(error.saved)
    if isinstance(error, OverLimit):
        return limits.refusal(error)
    if isinstance(error, NotPossible):
        return Message(not_possible(error))
    return Message(_escaped(refused_in_form(error, otherwise)))


def not_answered(error: BotError) -> Message:
    """Why there is no list or status, or why nothing was cancelled."""
    return refused(error, CANNOT_ANSWER)


def refused_in_form(error: BotError, otherwise: str = DATABASE_DOWN_FORM) -> str:
    """The same as an error of a form's field, which keeps what was entered; plain text."""
    match error:
        case BadRequest():
            return problem(error)
        case OverLimit():
            return limits.explain_in_form(error)
        case NotPossible():
            return not_possible(error)
        case FileRefused():
            return file_problem(error)
        case _:
            return otherwise


def problem(error: BadRequest) -> str:
    """What is wrong with a request; plain text."""
    match error.problem:
        case RequestProblem.PROMPT_MISSING:
            return "The prompt is missing. Describe the video."
        case RequestProblem.PROMPT_TOO_LONG:
            return f"The prompt has {error.value} characters. The limit is {error.allowed[0]}."
        case RequestProblem.PROMPT_UNSENDABLE:
            return "The prompt contains a character that can't be sent. Type it again."
        case RequestProblem.PROMPT_NOT_UTF8:
            return "This file isn't UTF-8 text. Save it as UTF-8."
        case RequestProblem.VALUE_MISSING:
            return f"`--{error.field}` needs a value. " + _IF_PART_OF_PROMPT.format("it is")
        case RequestProblem.GIVEN_TWICE:
            return f"`--{error.field}` is given twice."
        case RequestProblem.UNKNOWN_OPTION:
            return _unknown_option(error)
        case RequestProblem.NOT_ALLOWED:
            return _not_allowed(error)


def _unknown_option(error: BadRequest) -> str:
    words = f"There is no option `--{excerpt(error.field, 80)}`. "
    if error.alternative:
        words += f"Did you mean `--{error.alternative}`?"
    else:
        words += f"The options are {_either([f'`--{name}`' for name in error.allowed])}."
    return f"{words} {_IF_PART_OF_PROMPT.format('it is')}"


def _not_allowed(error: BadRequest) -> str:
    if not error.allowed:
        return f"This model doesn't support `--{error.field}`. Leave it out."
    rather = _IF_PART_OF_PROMPT.format("those words are")
    if error.alternative:
        return f"{error.value} needs `--model {error.alternative}`. {rather}"
    choices, given = _either(error.allowed), excerpt(error.value, 80)
    return f"`--{error.field}` must be {choices}, not {given}. {rather}"


def not_possible(error: NotPossible) -> str:  # noqa: C901 -- one case for each reason
    """Why a click or command was not carried out; mrkdwn."""
    match error.reason:
        case Impossible.NOT_YOURS:
            return f"Only <@{error.requester}>, who requested this video, can do that."
        case Impossible.TOO_MANY_OPEN:
            return (
                f"You have {error.limit} unfinished videos, the limit per person. Try again "
                "when one is finished, or cancel one: `/video list` shows them."
            )
        case Impossible.OVER_LIMIT:
            return "This video would exceed a spending limit."
        case Impossible.PERSON_NOT_ALLOWED:
            return "The admins of this app haven't allowed you to make videos."
        case Impossible.CHANNEL_NOT_ALLOWED:
            return "The admins of this app haven't allowed videos in this channel."
        case Impossible.UNKNOWN_VIDEO:
            return "I don't know this video."
        case Impossible.DELETED_VIDEO:
            return "This video was deleted, and its prompt with it."
        case Impossible.PROMPT_NOT_KEPT:
            return (
                "This video's prompt is no longer kept, so it can't be remixed, made again or "
                "edited. Use `/video` with a new prompt."
            )
        case Impossible.NOT_READY:
            return "This video isn't ready, so it can't be remixed or made again."
        case Impossible.ONLY_ON_CARD:
            return (
                "Use the button on the video's card. From here I can't tell whether you are still "
                "in its channel."
            )
        case Impossible.PICTURE_NOT_YOURS:
            return (
                "Only the person who added this video's starting image can use it. Make the video "
                "without it?"
            )
        case Impossible.UNKNOWN_DRAFT:
            return "Your text was kept for one hour and has expired. Type it again."
        case Impossible.ADMINS_ONLY:
            return "Only the admins of this app can do that."
        case Impossible.NOTHING_TO_DECIDE:
            return "This video is no longer waiting for approval."
        case Impossible.NOTHING_TO_CANCEL:
            return "This video can't be cancelled: it has already ended."
        case Impossible.NOTHING_TO_DELETE:
            return "There is no video to delete."
        case Impossible.NOTHING_TO_WAIT_FOR:
            return "This video has already ended. Its thread shows how."


def job_list(jobs: list[Job]) -> Message:
    """The reply to `list`: open jobs first, then the newest."""
    if not jobs:
        return Message(text=NOTHING_YET, blocks=[section(NOTHING_YET)])
    words = "*Your videos,* in progress first, then newest"
    blocks = [block for job in jobs for block in about(job)]
    return Message(text=_read_aloud(jobs), blocks=[section(words), *blocks])


def job_status(job: Job) -> Message:
    """The reply to `status`."""
    return Message(text=_spoken(job), blocks=about(job))


def no_such_id(name: str, subcommand: str, argument: str) -> Message:
    """The reply to `status` or `cancel` without a video's ID."""
    wrong = f"“{_escaped(excerpt(argument, 40))}” is not the ID of a video. " if argument else ""
    return Message(
        f"{wrong}To {_DOES[subcommand]}, add its ID, which `{name} list` shows: "
        f"`{name} {subcommand} 0123abcdef`."
    )


_DOES = {"status": "see one of your videos", "cancel": "cancel a video"}


def cancelling(job: Job) -> Message:
    """The reply to `cancel`."""
    return Message(f"Cancelling the video `{job.id}`. Its card shows the result: {place(job)}.")


def asked_again(user_id: str) -> str:
    """What replaces the buttons after *Ask again*; mrkdwn."""
    return f"<@{user_id}> asked again. The new video has its own card."


def dismissed(user_id: str) -> str:
    """What replaces the buttons after *Never mind*; mrkdwn."""
    return f"<@{user_id}> chose not to ask again."


def will_be_notified() -> Message:
    """The reply to *Notify me too*."""
    return Message("I'll mention you when the video is ready.")


def fetching() -> Message:
    """The reply to *Download again*."""
    return Message("Downloading it again.")


def made_again(job: Job) -> Message:
    """The reply to *Make it again*."""
    return Message(f"Making it again. The new card will be in <#{job.channel_id}>.")


def _read_aloud(jobs: Sequence[Job]) -> str:
    """As many of the jobs as a message's text holds."""
    text, *more = map(_spoken, jobs)
    for words in more:
        if len(text) + len(words) >= MAX_MESSAGE_TEXT:
            break
        text += f"\n{words}"
    return text


def _spoken(job: Job) -> str:
    """The job for screen readers, and its id for `status` and `cancel`."""
    return f"{named(job)} {summarize(job).sentences} Id {job.id}."


def ask_without_picture(job_id: str) -> Message:
    """The question to someone who may not use the starting image of this job."""
    words = not_possible(NotPossible(Impossible.PICTURE_NOT_YOURS))
    make = button("Make it without the image", MAKE_WITHOUT_PICTURE, job_id)
    return Message(text=words, blocks=[section(words), actions(make)])


def _either(values: Sequence[str]) -> str:
    """`4, 8 or 12`; of many values only the first."""
    if len(values) > SHOWN_VALUES:
        return f"{', '.join(values[:SHOWN_VALUES])} …"
    *most, last = values
    return f"{', '.join(most)} or {last}" if most else last


def _escaped(text: str) -> str:
    return escape(excerpt(text, MAX_REASON))


def _example(catalog: Catalog) -> str:
    model = catalog.default
    seconds = f" --seconds {model.seconds[-1]}" if model.seconds else ""
    size = f" --size {model.sizes[-1]}" if model.sizes else ""
    return seconds + size


def _options(catalog: Catalog) -> list[str]:
    """The options, each with its values and its default."""
    models, default = catalog.models, catalog.default
    return [
        f"• `--{name}` {_some(dict.fromkeys(values))} (default: {escape(otherwise)})"
        for name, values, otherwise in (
            ("seconds", [each for m in models for each in m.seconds], _first(default.seconds)),
            ("size", [each for m in models for each in m.sizes], _first(default.sizes)),
            ("model", [m.name for m in models], default.name),
        )
        if values
    ]


def _some(values: Iterable[str]) -> str:
    """The first values: a catalog may have more than fit in a message."""
    first, rest = [*values][:SHOWN_VALUES], [*values][SHOWN_VALUES:]
    return escape(", ".join(first)) + (" …" if rest else "")


def _first(values: Sequence[str]) -> str:
    return values[0] if values else "the video server's choice"
