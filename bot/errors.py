"""What can go wrong, sorted by what the bot does about it.

    BotError
      BadRequest                the person can correct it: tell them how; never retried
      BadForm                   the same for several fields of a form at once (`.errors`)
      NotPossible               a click or command that can't be carried out: tell the person why
      TemporaryError            retry later, quietly (`.retry_after` seconds, if known)
        RateLimited             the other side asked to go slower
          Throttled             ... earlier, so nothing was sent
        NotAVideo               the Videos server sends something else than the video
        DecoderDied             the process that decodes a file crashed or hit its limits
      PermanentError            the job is over: report `.code` and `.message` in its thread
        RequestRefused          the Videos server refuses this request
        VideoGone               the Videos server doesn't know this video (any more, or yet)
        CannotPost              Slack doesn't let the bot post there
        FileRefused             the person's file can't be used
      OutcomeUnknown            the call may have taken effect: never repeat it blindly
      MisconfiguredError        no job can run: tell the operator
        TokenRefused            Slack doesn't accept the bot token any more
        ServerUnusable          the Videos server refuses everyone (`.code`, `.message`)
      VideoTaken                another job already has this video
      LeaseLost                 another process owns this job now: stop and change nothing

Errors carry facts; `bot.ui` words them. Third-party exceptions are translated where the
third-party call is made.
"""

from collections.abc import Mapping
from enum import StrEnum


class Source(StrEnum):
    """Where an error comes from."""

    VIDEOS = "videos"
    SLACK = "slack"
    BOT = "bot"


class BotError(Exception):
    """An error that the bot expects; `message` is for the log unless a subclass says more."""

    source = Source.BOT

    def __init__(self, message: str, *, source: Source | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.source = source or self.source


class RequestProblem(StrEnum):
    """What is wrong with a request."""

    PROMPT_MISSING = "prompt_missing"
    PROMPT_TOO_LONG = "prompt_too_long"
    PROMPT_UNSENDABLE = "prompt_unsendable"
    """It contains NUL or half of a surrogate pair."""
    PROMPT_NOT_UTF8 = "prompt_not_utf8"
    VALUE_MISSING = "value_missing"
    GIVEN_TWICE = "given_twice"
    UNKNOWN_OPTION = "unknown_option"
    NOT_ALLOWED = "not_allowed"


class BadRequest(BotError):
    """The person can correct their request.

    `field` is the part that is wrong, `value` what was given and `allowed` what can be given
    instead; `alternative` is the name of a model that allows the value, or of the option that was
    probably meant.
    """

    def __init__(
        self,
        problem: RequestProblem,
        *,
        field: str,
        value: str = "",
        allowed: tuple[str, ...] = (),
        alternative: str | None = None,
    ) -> None:
        super().__init__(f"{field}: {problem}")
        self.problem = problem
        self.field = field
        self.value = value
        self.allowed = allowed
        self.alternative = alternative


class BadForm(BotError):
    """A sentence for each field of a form that the person can correct, by its block_id."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = dict(errors)


class Impossible(StrEnum):
    """Why a click or command can't be carried out."""

    NOT_YOURS = "not_yours"
    TOO_MANY_OPEN = "too_many_open"
    OVER_LIMIT = "over_limit"
    PERSON_NOT_ALLOWED = "person_not_allowed"
    CHANNEL_NOT_ALLOWED = "channel_not_allowed"
    UNKNOWN_VIDEO = "unknown_video"
    DELETED_VIDEO = "deleted_video"
    PROMPT_NOT_KEPT = "prompt_not_kept"
    """The job is older than what is kept."""
    NOT_READY = "not_ready"
    ONLY_ON_CARD = "only_on_card"
    PICTURE_NOT_YOURS = "picture_not_yours"
    UNKNOWN_DRAFT = "unknown_draft"
    """It is no longer kept."""
    ADMINS_ONLY = "admins_only"
    NOTHING_TO_DECIDE = "nothing_to_decide"
    """It doesn't wait for approval, or no longer."""
    NOTHING_TO_CANCEL = "nothing_to_cancel"
    NOTHING_TO_DELETE = "nothing_to_delete"
    NOTHING_TO_WAIT_FOR = "nothing_to_wait_for"


class NotPossible(BotError):
    """A click or command can't be carried out.

    `requester` is whose job it is, and `limit` how many jobs one person can have, if that matters.
    """

    def __init__(self, reason: Impossible, *, requester: str = "", limit: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.requester = requester
        self.limit = limit


class TemporaryError(BotError):
    """Nothing was changed, and a later attempt may succeed."""

    def __init__(
        self, message: str, *, retry_after: float | None = None, source: Source | None = None
    ) -> None:
        super().__init__(message, source=source)
        self.retry_after = retry_after


class RateLimited(TemporaryError):
    """The other side asked to go slower; `retry_after` is what it asked for, if it did."""


class Throttled(RateLimited):
    """The other side asked to go slower, so nothing was sent."""


class NotAVideo(TemporaryError):
    """The Videos server sends something else than the finished video."""

    source = Source.VIDEOS

    def __init__(self, content_type: str, excerpt: str) -> None:
        super().__init__(f"{content_type}: {excerpt}")


class DecoderDied(TemporaryError):
    """The process that decodes a file crashed or reached its limits."""


class PermanentError(BotError):
    """The job is over: a retry would not help."""

    def __init__(self, message: str, *, code: str, source: Source | None = None) -> None:
        super().__init__(message, source=source)
        self.code = code


class RequestRefused(PermanentError):
    """The Videos server refuses this request."""

    source = Source.VIDEOS


class VideoGone(PermanentError):
    """The Videos server doesn't know this video: any more, or for a moment."""

    source = Source.VIDEOS


class PostRefusal(StrEnum):
    """Why Slack does not let the bot post in a conversation."""

    NOT_A_MEMBER = "not_a_member"
    ARCHIVED = "archived"
    RESTRICTED = "restricted"
    THREAD_GONE = "thread_gone"
    NO_REPLIES = "no_replies"
    NO_DIRECT_MESSAGE = "no_direct_message"
    NO_FILES = "no_files"
    NO_SPACE = "no_space"
    NO_PERMISSION_TO_UPLOAD = "no_permission_to_upload"


class CannotPost(PermanentError):
    """Slack does not let the bot post in this conversation; `code` is Slack's own.

    `bot_name` is whom a member of the conversation can invite.
    """

    source = Source.SLACK

    def __init__(self, refusal: PostRefusal, *, code: str, bot_name: str) -> None:
        super().__init__(f"{code}: {refusal}", code=code)
        self.refusal = refusal
        self.bot_name = bot_name


class FileProblem(StrEnum):
    """Why a file that a person uploaded can't be used."""

    ONLY_LINKED = "only_linked"
    NOT_YOURS = "not_yours"
    TOO_LARGE = "too_large"
    NOT_ACCESSIBLE = "not_accessible"
    LARGER_THAN_STATED = "larger_than_stated"
    NOT_FETCHED = "not_fetched"
    NOT_A_PICTURE = "not_a_picture"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_MUCH_MEMORY = "too_much_memory"
    NOT_DECODED = "not_decoded"


class FileRefused(PermanentError):
    """The person's file can't be used.

    `limit` is how many bytes or pixels are allowed, `reason` why it was not fetched.
    """

    CODE = "file_refused"

    def __init__(self, problem: FileProblem, *, limit: int = 0, reason: str = "") -> None:
        super().__init__(problem, code=self.CODE)
        self.problem = problem
        self.limit = limit
        self.reason = reason


class OutcomeUnknown(BotError):
    """The call may or may not have taken effect."""


class MisconfiguredError(BotError):
    """No job can run until the operator acts; the message says how."""


class TokenRefused(MisconfiguredError):
    """Slack does not accept the bot token any more."""

    source = Source.SLACK


class ServerUnusable(MisconfiguredError):
    """The Videos server refuses everyone: a wrong key, a wrong URL, a retired service."""

    source = Source.VIDEOS

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class LeaseLost(BotError):
    """Another process carries this job now."""


class VideoTaken(BotError):
    """Two jobs cannot have the same video."""
