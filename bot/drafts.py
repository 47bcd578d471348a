"""What someone typed that is not a job (yet): kept for the buttons of the reply to it."""

import hashlib
from dataclasses import dataclass

from bot.request import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedDraft:
    """A draft, whose it is and where it was typed; stored as a row of the table `drafts`."""

    id: str
    team_id: str
    user_id: str
    channel_id: str
    thread_ts: str | None
    draft: Draft
    remix_of: str | None = None
    """The job whose video was in the thread."""
    created_at: float

    @property
    def request_key(self) -> str:
        """The request key of the job that is made of it: one, whatever is pressed how often."""
        return f"draft:{self.id}"


def draft_id(request_key: str) -> str:
    """The id of the draft from this delivery: a repeated delivery has the same draft."""
    return hashlib.sha256(request_key.encode("utf-8", "replace")).hexdigest()[:20]
