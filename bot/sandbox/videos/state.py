"""The videos of a fake Videos server, driven by a clock or by a test. No HTTP here."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from bot.catalog import Catalog
from bot.sandbox.changes import Changes
from bot.sandbox.videos.call import Upload
from bot.sandbox.videos.content import Clip

Status = Literal["queued", "in_progress", "completed", "failed"]
Speed = Literal["normal", "slow"]

CONTENT_LIFETIME = 3600
"""Seconds (OpenAI's video guide: downloads are valid for at most an hour after generation)."""


@dataclass
class VideoParams:
    """The checked parameters of a create."""

    prompt: str
    model: str
    size: str
    seconds: str
    input_reference: Upload | None = None
    remixed_from_video_id: str | None = None


@dataclass(frozen=True)
class Failure:
    """Why a video failed."""

    code: str | int | None
    message: str


@dataclass(kw_only=True)
class Video(VideoParams):
    """One video, as the server stores it."""

    id: str
    created_at: float
    status: Status = "queued"
    progress: int = 0
    completed_at: float | None = None
    error: Failure | None = None
    clip: Clip | None = None
    began_at: float
    """`created_at`, shifted so that the progress so far matches the current render time."""
    manual: bool = False
    """A test controls this video; the clock no longer does."""

    @property
    def expires_at(self) -> float | None:
        """When its download expires."""
        return None if self.completed_at is None else self.completed_at + CONTENT_LIFETIME

    @property
    def is_finished(self) -> bool:
        """Whether it is completed or failed."""
        return self.status in ("completed", "failed")


_FAILURES = {
    "forbidden": Failure(
        "moderation_blocked", "Your request was blocked by our moderation system."
    ),
    "crash": Failure("server_error", "We're under heavy load, please try again later."),
}


def bill_for(videos: Iterable[Video], catalog: Catalog) -> Decimal:
    """What these videos cost in US dollars: those that were finished, even if deleted since."""
    prices = [
        catalog.price(model=video.model, seconds=video.seconds, size=video.size)
        for video in videos
        if video.completed_at is not None
    ]
    return sum((price for price in prices if price is not None), Decimal())


def has_word(prompt: str, word: str) -> bool:
    """Whether the prompt contains this whole word: "crashing" is not "crash"."""
    return re.search(rf"\b{word}\b", prompt, re.IGNORECASE) is not None


class Renderer:
    """Stores the videos and advances them with the clock."""

    def __init__(
        self, changes: Changes, clock: Callable[[], float], render_seconds: float, speed: Speed
    ) -> None:
        self.render_seconds = render_seconds
        self.speed = speed
        self.failing: Failure | None = None
        """While set, every video fails with this half-way through."""
        self.forgetting = False
        """While set, every video is lost half-way through."""
        self._changes = changes
        self._clock = clock
        self._held = False
        self._videos: dict[str, Video] = {}
        self._creates: list[Video] = []

    @property
    def videos(self) -> dict[str, Video]:
        """All videos that the server still has, by id."""
        self._update()
        return self._videos

    @property
    def creates(self) -> list[Video]:
        """All videos ever created, in order, even those lost or deleted since."""
        self._update()
        return self._creates

    def create(self, new_id: str, params: VideoParams) -> Video:
        """Create a video."""
        now = self._clock()
        video = Video(**vars(params), id=new_id, created_at=now, began_at=now)
        self._videos[video.id] = video
        self._creates.append(video)
        self._changes.happened()
        return video

    def set_pace(self, render_seconds: float) -> None:
        """Set the render time; the progress so far is kept."""
        self._update()
        for video in self._rendering():
            elapsed = self._clock() - video.began_at
            video.began_at += elapsed * (1 - render_seconds / self.render_seconds)
        self.render_seconds = render_seconds

    def hold(self) -> None:
        """Pause all rendering until `release`."""
        self._update()
        self._held = True

    def release(self) -> None:
        """Resume rendering, except of videos that a test controls."""
        self._held = False
        self._update()

    def queue(self, video_id: str) -> None:
        """Put a video back into the queue."""
        self._control(video_id, "queued", 0)

    def progress(self, video_id: str, percent: int) -> None:
        """Set a video's progress, in percent."""
        self._control(video_id, "in_progress", percent)

    def finish(self, video_id: str, clip: Clip | None = None) -> None:
        """Complete a video, with this clip or the default one."""
        video = self._control(video_id, "completed", 100)
        video.completed_at = self._clock()
        video.clip = clip

    def fail(self, video_id: str, code: str | int | None, message: str) -> None:
        """Fail a video."""
        video = self._control(video_id, "failed", self._videos[video_id].progress)
        video.completed_at = None
        video.error = Failure(code, message)

    def forget(self, video_id: str) -> None:
        """Lose a video."""
        del self._videos[video_id]
        self._changes.happened()

    def restart(self) -> None:
        """Lose all videos, as servers that keep them in memory do."""
        self._videos.clear()
        self._changes.happened()

    def _control(self, video_id: str, status: Status, progress: int) -> Video:
        video = self.videos[video_id]
        video.manual = True
        video.status, video.progress, video.error = status, progress, None
        self._changes.happened()
        return video

    def _update(self) -> None:
        """Advance all videos to the current time."""
        moved = [self._advance(video) for video in [*self._rendering()]]
        if any(moved):
            self._changes.happened()

    def _rendering(self) -> Iterator[Video]:
        if not self._held:
            yield from (v for v in self._videos.values() if not v.manual and not v.is_finished)

    def _advance(self, video: Video) -> bool:
        before = (video.status, video.progress)
        fraction = self._fraction_done(self._clock() - video.began_at)
        failures = (each for word, each in _FAILURES.items() if has_word(video.prompt, word))
        failure = next(failures, self.failing)
        if self.forgetting and fraction >= 0.5:
            del self._videos[video.id]
            return True
        if failure is not None and fraction >= 0.5:
            video.status, video.error = "failed", failure
        elif fraction >= 1:
            video.status, video.progress = "completed", 100
            video.completed_at = video.began_at + self._render_time()
        elif fraction >= 0.1:
            video.status, video.progress = "in_progress", min(99, int(100 * fraction))
        return (video.status, video.progress) != before

    def _render_time(self) -> float:
        return self.render_seconds * (1 if self.speed == "normal" else 10)

    def _fraction_done(self, elapsed: float) -> float:
        fraction = elapsed / self._render_time() if self._render_time() > 0 else 1.0
        if self.speed == "normal" or fraction >= 1:
            return fraction
        # Slow: queued for half of the time, then fast progress, then long at 99 %.
        return 0.0 if fraction < 0.5 else min(0.99, (fraction - 0.5) * 5)
