"""What people may ask for. Writes rows; the worker moves them."""

import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from bot.catalog import Catalog
from bot.errors import BadRequest, NotYours, TooLate
from bot.files import Files
from bot.homes import Homes
from bot.jobs import CANCELLABLE, Job, JobState, Signal, again_key
from bot.request import MAX_PROMPT_BYTES, VideoRequest, check_prompt
from bot.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who asks, where, and by which press.

    `request_key` names the press: Slack repeats itself, with the same `trigger_id` or `view.id`.
    """

    request_key: str
    team_id: str
    user_id: str
    channel_id: str
    response_url: str | None = None
    thread_ts: str | None = None
    notify: tuple[str, ...] = ()


class Service:
    """The people's side of the jobs table."""

    def __init__(
        self,
        store: Store,
        files: Files,
        homes: Homes,
        catalog: Catalog,
        *,
        wake: Callable[[], None],
        admins: Collection[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._files = files
        self._homes = homes
        self._catalog = catalog
        self._wake = wake
        self._admins = admins
        self._clock = clock

    async def start(
        self, origin: Origin, request: VideoRequest, *, remix_of: str | None = None
    ) -> Job:
        """Start a video; the same press again is the same job.

        Raises:
            TemporaryError: the database does not answer.
        """
        return await self._add(
            Job(
                id=_new_id(),
                request_key=origin.request_key,
                team_id=origin.team_id,
                user_id=origin.user_id,
                channel_id=origin.channel_id,
                response_url=origin.response_url,
                thread_ts=origin.thread_ts,
                notify=origin.notify,
                request=request,
                remix_of=remix_of,
                created_at=self._clock(),
            )
        )

    async def ask_again(self, job_id: str, user_id: str) -> Job:
        """Start the same video once more; however often it is pressed, that is one job.

        Raises:
            NotYours: somebody else asked for it.
            TemporaryError: the database does not answer.
        """
        job = await self.owned(job_id, user_id)
        return await self._add(
            Job(
                id=_new_id(),
                request_key=again_key(job.id),
                team_id=job.team_id,
                user_id=job.user_id,
                channel_id=job.channel_id,
                thread_ts=job.thread_ts,
                notify=job.notify,
                request=job.request,
                remix_of=job.remix_of,
                created_at=self._clock(),
            )
        )

    async def make_again(self, job_id: str, origin: Origin) -> Job:
        """Start a new video of the same request, for whoever wants it.

        Raises:
            NotYours: there is no such job.
            TemporaryError: the database does not answer.
        """
        job = await self.known(job_id)
        return await self.start(_where(job, origin), job.request, remix_of=job.remix_of)

    async def remix(self, job_id: str, prompt: str, origin: Origin) -> Job:
        """Start a change of a finished video.

        Raises:
            BadRequest: the prompt is empty or too long.
            NotYours: there is no such job.
            TemporaryError: the database does not answer.
        """
        check_prompt(prompt)
        original = await self.known(job_id)
        request = replace(original.request, prompt=prompt, input_reference=None)
        return await self.start(_where(original, origin), request, remix_of=original.id)

    async def cancel(self, job_id: str, user_id: str) -> Job:
        """Have a job stopped that is under way.

        Raises:
            NotYours: somebody else asked for it.
            TooLate: it is over.
            TemporaryError: the database does not answer.
        """
        job = await self.owned(job_id, user_id)
        if job.state not in CANCELLABLE:
            raise TooLate("This video is over already, so there is nothing to cancel.")
        await self._store.add_signal(job.id, Signal.CANCEL, user_id)
        await self._store.make_due(job.id, now=self._clock())
        self._wake()
        return job

    async def delete(self, job_id: str, user_id: str) -> Job:
        """Have a finished video deleted, in Slack and at the server.

        Raises:
            NotYours: somebody else asked for it.
            TooLate: there is no file.
            TemporaryError: the database does not answer.
        """
        job = await self.owned(job_id, user_id)
        if job.state is not JobState.DELIVERED:
            raise TooLate("There is no video to delete.")
        await self._store.add_signal(job.id, Signal.DELETE, user_id)
        await self._store.reopen(job.id, now=self._clock())
        self._wake()
        return job

    async def notify_too(self, job_id: str, user_id: str) -> Job:
        """Have one more person mentioned when the video is ready.

        Raises:
            NotYours: there is no such job.
            TooLate: it is over.
            TemporaryError: the database does not answer.
        """
        job = await self.known(job_id)
        if job.state not in CANCELLABLE:
            raise TooLate("This video is over already: see its thread.")
        await self._store.add_signal(job.id, Signal.NOTIFY, user_id)
        return job

    async def latest(self, user_id: str, *, limit: int) -> list[Job]:
        """This person's jobs: what runs first, then the latest.

        Raises:
            TemporaryError: the database does not answer.
        """
        return await self._store.list_of(user_id, limit=limit)

    async def show_home(self, user_id: str, page: int = 0) -> None:
        """Show this person their Home tab.

        Raises:
            BotError: Slack does not take it.
        """
        await self._homes.open(user_id, page)

    async def owned(self, job_id: str, user_id: str) -> Job:
        """The job, if this person asked for it.

        Raises:
            NotYours: somebody else did, or there is no such job.
            TemporaryError: the database does not answer.
        """
        job = await self.known(job_id)
        if user_id not in {job.user_id, *self._admins}:
            raise NotYours(f"Only <@{job.user_id}>, who asked for this video, can do that.")
        return job

    async def known(self, job_id: str) -> Job:
        """The job with this id.

        Raises:
            NotYours: there is none.
            TemporaryError: the database does not answer.
        """
        try:
            return await self._store.get(job_id)
        except LookupError:
            raise NotYours("I no longer know this video.") from None

    async def prompt_in(self, file_id: str, *, user_id: str) -> str:
        """The prompt that this user put into a text file, to the letter.

        Raises:
            BadRequest: it is no text, or no prompt.
            FileRefused, TemporaryError, MisconfiguredError: the file is not to be had.
        """
        content = await self._files.fetch(file_id, user_id=user_id, limit=MAX_PROMPT_BYTES)
        try:
            prompt = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise BadRequest(
                "This is no text in UTF-8. Please save it as UTF-8 text.", field="prompt"
            ) from None
        check_prompt(prompt)
        return prompt

    async def _add(self, job: Job) -> Job:
        request = job.request
        model = self._catalog.find(request.model)
        price = model.price(seconds=request.seconds, size=request.size) if model else None
        added = await self._store.add(replace(job, price=price))
        self._wake()
        return added


def _where(job: Job, origin: Origin) -> Origin:
    """A new job stands where the one stood from which it came."""
    return replace(origin, channel_id=job.channel_id, thread_ts=job.thread_ts)


def _new_id() -> str:
    """Short enough to be read out, long enough not to be guessed."""
    return secrets.token_hex(5)
