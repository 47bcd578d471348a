"""A pretend Videos server: OpenAI's Videos API on loopback, as strict as the real one.

A job is queued, then in progress, then completed, by the clock; or a test decides (`hold()`,
`progress()`, `finish()`, `fail()`). Four words in a prompt have an effect, each only as a whole
word (waves may be crashing):

    forbidden   the job fails later: moderation_blocked
    crash       the job fails later: server_error
    sentinel    the create is refused: 400 sentinel_block
    quota       the create is refused: 429 insufficient_quota

`dialect` chooses whose words it speaks (`bot.sandbox.videos.dialects`): openai, openai_guide (more
sizes and seconds than the spec), vllm_omni, sglang, litellm or aquiles. `behaviour` makes it slow
(long in the queue, long at 99 %) or busy (the first two creates are turned away).

Not there: characters, extensions, batches, webhooks, an edit of an uploaded video, pictures from
http addresses, and every server's prefix but /v1.
"""

from bot.sandbox.videos.content import Clip, Filler
from bot.sandbox.videos.server import Behaviour, VideosSandbox

__all__ = ["Behaviour", "Clip", "Filler", "VideosSandbox"]
