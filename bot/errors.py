"""What can go wrong, sorted by what the bot does about it.

    BotError                    .message is fit for the person who asked
      BadRequest                they can fix it: say how; never retried
      BadForm                   ... so with several fields at once (.errors)
      NotPossible               a press that makes no sense: tell this person why; mrkdwn
        NotYours                somebody else's job, or one that is gone
        TooLate                 the job is past that
      TemporaryError            try again later, quietly (.retry_after seconds, if known)
        RateLimited             ... and whoever told us so said when
        DecoderDied             the process that decodes a file broke, or reached its limits
      PermanentError            this job is over: say so in its thread, with .code and .message
        RequestRefused          the Videos server does not want this request
        VideoGone               the Videos server does not know this video (any more, or yet)
        CannotPost              Slack does not let us post there
        FileRefused             the file that the person handed in cannot be used
      OutcomeUnknown            asked, and cannot tell whether it was heard: never repeat blindly
      MisconfiguredError        nobody's job can work: tell the operator
        ServerUnusable          ... because of the Videos server, in its .code and .message
      VideoTaken                another job has this video already
      LeaseLost                 another process has this job now: stop, touch nothing

Foreign exceptions become one of these where the foreign call is made.
"""

from collections.abc import Mapping
from enum import StrEnum


class BotError(Exception):
    """Anything that the bot foresees; the message is fit for the person who asked."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadRequest(BotError):
    """The person can put it right; `field` names the part of the request that is meant."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class BadForm(BotError):
    """What the person can put right in a form: a sentence for each field, by its block_id."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = dict(errors)


class NotPossible(BotError):
    """What was pressed cannot be done; the message is mrkdwn, and ours."""


class NotYours(NotPossible):
    """A press on somebody else's job, or on one that is gone."""


class TooLate(NotPossible):
    """A press on a job that is past that."""


class TemporaryError(BotError):
    """Nothing was changed, and it may well work later."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimited(TemporaryError):
    """Too fast; `retry_after` is theirs where they gave one."""


class DecoderDied(TemporaryError):
    """The process that decodes a file broke, or reached its limits."""


class PermanentError(BotError):
    """This job is over, and trying again by ourselves would not help."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class RequestRefused(PermanentError):
    """The Videos server said no to this request."""


class VideoGone(PermanentError):
    """The Videos server does not know this video: any more, or for a moment."""


class PostRefusal(StrEnum):
    """Why Slack does not let the bot post in a conversation."""

    NOT_A_MEMBER = "not_a_member"
    ARCHIVED = "archived"
    RESTRICTED = "restricted"
    THREAD_GONE = "thread_gone"
    NO_REPLIES = "no_replies"
    NO_DIRECT_MESSAGE = "no_direct_message"


class CannotPost(PermanentError):
    """Slack does not let the bot post in this conversation; `code` is Slack's own."""

    def __init__(self, message: str, *, code: str, refusal: PostRefusal) -> None:
        super().__init__(message, code=code)
        self.refusal = refusal


class FileRefused(PermanentError):
    """What the person handed in cannot be used; the message says why, and what can."""

    CODE = "file_refused"

    def __init__(self, message: str) -> None:
        super().__init__(message, code=self.CODE)


class OutcomeUnknown(BotError):
    """The call may or may not have taken effect."""


class MisconfiguredError(BotError):
    """No job can work until the operator does something; the message says what."""


class ServerUnusable(MisconfiguredError):
    """The Videos server takes nobody's request: a wrong key, a wrong address, a retired service."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class LeaseLost(BotError):
    """Another process carries this job now."""


class VideoTaken(BotError):
    """Two jobs cannot have the same video."""
