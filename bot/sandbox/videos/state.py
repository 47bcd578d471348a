"""The jobs of a pretend Videos server, moved along by a clock or by a test. Knows no HTTP."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from bot.sandbox.changes import Changes
from bot.sandbox.videos.call import Upload
from bot.sandbox.videos.content import Clip

Status = Literal["queued", "in_progress", "completed", "failed"]
Timings = Literal["normal", "slow"]

CONTENT_LIFE = 3600
"""OpenAI's video guide: a download is valid for at most an hour after the generation."""


@dataclass
class Order:
    """What was asked, after all checks."""

    prompt: str
    model: str
    size: str
    seconds: str
    input_reference: Upload | None = None
    remixed_from_video_id: str | None = None


@dataclass(frozen=True)
class Failure:
    """Why a job failed."""

    code: str | int | None
    message: str


@dataclass(kw_only=True)
class Video(Order):
    """One job and, once it is completed, its film."""

    id: str
    created_at: float
    status: Status = "queued"
    progress: int = 0
    completed_at: float | None = None
    error: Failure | None = None
    clip: Clip | None = None
    began_at: float
    """When it was created, had the server always worked as fast as it works now."""
    by_hand: bool = False
    """A test decides about this one; the clock no longer does."""

    @property
    def expires_at(self) -> float | None:
        """When its film can no longer be downloaded."""
        return None if self.completed_at is None else self.completed_at + CONTENT_LIFE

    @property
    def is_over(self) -> bool:
        """It is completed or failed."""
        return self.status in ("completed", "failed")


_FATES = {
    "forbidden": Failure(
        "moderation_blocked", "Your request was blocked by our moderation system."
    ),
    "crash": Failure("server_error", "We're under heavy load, please try again later."),
}


def has_word(prompt: str, word: str) -> bool:
    """Tell whether the whole word is there: waves may be crashing without a crash."""
    return re.search(rf"\b{word}\b", prompt, re.IGNORECASE) is not None


class Studio:
    """Makes the videos that were ordered, each at its own time."""

    def __init__(
        self, changes: Changes, clock: Callable[[], float], render_seconds: float, timings: Timings
    ) -> None:
        self.render_seconds = render_seconds
        self.timings = timings
        self.failing: Failure | None = None
        """Why everything fails from now on, half-way through."""
        self.forgetting = False
        """Everything is lost from now on, half-way through."""
        self._changes = changes
        self._clock = clock
        self._held = False
        self._videos: dict[str, Video] = {}
        self._creates: list[Video] = []

    @property
    def videos(self) -> dict[str, Video]:
        """Every job that the server still knows, as it stands now."""
        self._catch_up()
        return self._videos

    @property
    def creates(self) -> list[Video]:
        """Every job that was ever created, in order; also the forgotten."""
        self._catch_up()
        return self._creates

    def create(self, new_id: str, order: Order) -> Video:
        """Take an order."""
        now = self._clock()
        video = Video(**vars(order), id=new_id, created_at=now, began_at=now)
        self._videos[video.id] = video
        self._creates.append(video)
        self._changes.happened()
        return video

    def set_pace(self, render_seconds: float) -> None:
        """Let a render take so many seconds from now on; what is done stays done."""
        self._catch_up()
        for video in self._moving():
            worked = self._clock() - video.began_at
            video.began_at += worked * (1 - render_seconds / self.render_seconds)
        self.render_seconds = render_seconds

    def hold(self) -> None:
        """Freeze all rendering."""
        self._catch_up()
        self._held = True

    def release(self) -> None:
        """Let the clock decide again, about every job that was not decided by hand."""
        self._held = False
        self._catch_up()

    def queue(self, video_id: str) -> None:
        """Put a job back into the queue."""
        self._decide(video_id, "queued", 0)

    def progress(self, video_id: str, percent: int) -> None:
        """Say how far a job is."""
        self._decide(video_id, "in_progress", percent)

    def finish(self, video_id: str, clip: Clip | None = None) -> None:
        """Complete a job, with this film or the usual one."""
        video = self._decide(video_id, "completed", 100)
        video.completed_at = self._clock()
        video.clip = clip

    def fail(self, video_id: str, code: str | int | None, message: str) -> None:
        """End a job without a film."""
        video = self._decide(video_id, "failed", self._videos[video_id].progress)
        video.completed_at = None
        video.error = Failure(code, message)

    def forget(self, video_id: str) -> None:
        """Lose one job."""
        del self._videos[video_id]
        self._changes.happened()

    def restart(self) -> None:
        """Lose every job, as servers do that keep them in memory."""
        self._videos.clear()
        self._changes.happened()

    def _decide(self, video_id: str, status: Status, progress: int) -> Video:
        video = self.videos[video_id]
        video.by_hand = True
        video.status, video.progress, video.error = status, progress, None
        self._changes.happened()
        return video

    def _catch_up(self) -> None:
        """Move every job to where the clock says that it is by now."""
        moved = [self._move(video) for video in [*self._moving()]]
        if any(moved):
            self._changes.happened()

    def _moving(self) -> Iterator[Video]:
        if not self._held:
            yield from (v for v in self._videos.values() if not v.by_hand and not v.is_over)

    def _move(self, video: Video) -> bool:
        before = (video.status, video.progress)
        share = self._share_done(self._clock() - video.began_at)
        fates = (fate for word, fate in _FATES.items() if has_word(video.prompt, word))
        fate = next(fates, self.failing)
        if self.forgetting and share >= 0.5:
            del self._videos[video.id]
            return True
        if fate is not None and share >= 0.5:
            video.status, video.error = "failed", fate
        elif share >= 1:
            video.status, video.progress = "completed", 100
            video.completed_at = video.began_at + self._render_time()
        elif share >= 0.1:
            video.status, video.progress = "in_progress", min(99, int(100 * share))
        return (video.status, video.progress) != before

    def _render_time(self) -> float:
        return self.render_seconds * (1 if self.timings == "normal" else 10)

    def _share_done(self, elapsed: float) -> float:
        share = elapsed / self._render_time() if self._render_time() > 0 else 1.0
        if self.timings == "normal" or share >= 1:
            return share
        # Slow: half of the time in the queue, then a rush, then long at 99 %.
        return 0.0 if share < 0.5 else min(0.99, (share - 0.5) * 5)
