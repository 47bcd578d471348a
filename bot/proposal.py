"""A claimed job that waits for approval: asks the admins, and carries out their decision.

Whoever decides inserts a row in the table `decisions`, and the first row is the only one. The job's
own row is changed here, by its runner, so that a process killed between the two is continued.
"""

import structlog

from bot import jobs
from bot.claimed import ClaimedJob, Dependencies
from bot.database import Priority
from bot.errors import PermanentError
from bot.jobs import Decision, Question, Verdict
from bot.posting import Posting
from bot.retries import RetryLater
from bot.store import NO_LIMITS
from bot.ui.spending import before_approval

log = structlog.get_logger()


class Proposal:
    """One claimed job in the state PROPOSED."""

    def __init__(self, claimed: ClaimedJob, dependencies: Dependencies, posting: Posting) -> None:
        self._claimed = claimed
        self._posting = posting
        self._store = dependencies.store
        self._delivery = dependencies.delivery
        self._dependencies = dependencies
        self._now = dependencies.clock

    async def ask_or_conclude(self) -> None:
        """Ask the admins, then wait; once they have decided, or not in time, go on.

        Raises:
            RetryLater: it waits.
        """
        decision = await self._decision()
        if decision is None:
            await self._ask()
            self._refresh_homes()
            raise RetryLater("waits for approval", self._expires_at - self._now(), quiet=True)
        await self._conclude(decision)

    async def withdraw(self) -> None:
        """The job is being cancelled: the questions need no answer any more."""
        withdrawn = Decision(verdict=Verdict.WITHDRAWN, at=self._now())
        await self._close_questions(await self._decide(withdrawn))

    @property
    def _expires_at(self) -> float:
        return self._claimed.job.created_at + self._dependencies.timings.approval_timeout

    async def _decision(self) -> Decision | None:
        decision = await self._store.decision(self._claimed.job.id)
        if decision is None and self._now() >= self._expires_at:
            expired = Decision(verdict=Verdict.EXPIRED, at=self._now())
            decision = await self._decide(expired)
        return decision

    async def _decide(self, decision: Decision) -> Decision:
        return await self._store.decide(self._claimed.job, decision, NO_LIMITS)

    async def _conclude(self, decision: Decision) -> None:
        await self._close_questions(decision)
        decided = jobs.decided(self._claimed.job, decision, now=self._now())
        await self._claimed.save(decided, decision.verdict)
        self._refresh_homes()
        await self._delivery.update_progress(self._claimed.job)

    def _refresh_homes(self) -> None:
        """Admins see there what waits for them."""
        for admin in self._dependencies.approvers.admins:
            self._dependencies.homes.changed(admin)

    async def _ask(self) -> None:
        """Ask in the channel for approvals; without one, each admin in their direct message."""
        approvers = self._dependencies.approvers
        spent = await self._spent()
        if approvers.channel is not None and await self._ask_one(approvers.channel, spent):
            return
        for admin in approvers.admins:
            await self._ask_one(admin, spent)

    async def _spent(self) -> str:
        """What is used of the limits, in words."""
        user_id, policy = self._claimed.job.user_id, self._dependencies.approvers.policy
        used = await self._store.usage(
            policy, user_id=user_id, now=self._now(), priority=Priority.JOB
        )
        return before_approval(used, user_id)

    async def _ask_one(self, recipient: str, spent: str) -> bool:
        """Whether the question has been posted there, now or earlier."""
        if any(question.recipient == recipient for question in self._claimed.job.questions):
            return True
        kind = f"question:{recipient}"
        is_repeated = self._claimed.job.posting == kind
        try:
            posted = await self._posting.post_once(
                kind,
                lambda: self._delivery.ask_approval(
                    self._claimed.job, recipient, spent=spent, is_repeated=is_repeated
                ),
                channel_id=recipient,
            )
        except PermanentError as error:
            log.error("nobody asked for approval there", recipient=recipient, code=error.code)  # noqa: TRY400 -- the code says it all
            return False
        question = Question(recipient, posted.channel_id, posted.ts)
        await self._claimed.save(jobs.asked(self._claimed.job, question), "asked for approval")
        return True

    async def _close_questions(self, decision: Decision) -> None:
        """Take the buttons away wherever they are."""
        for question in self._claimed.job.questions:
            await self._delivery.close_question(self._claimed.job, question, decision)
