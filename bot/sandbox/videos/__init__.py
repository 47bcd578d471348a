"""A fake Videos server: OpenAI's Videos API on loopback, as strict as the real one.

The clock moves a video from queued to in progress to completed, unless a test decides (`hold()`,
`progress()`, `finish()`, `fail()`). Four words in a prompt have an effect, as whole words only (so
"crashing waves" render):

    forbidden   the video fails later: moderation_blocked
    crash       the video fails later: server_error
    sentinel    the create is refused: 400 sentinel_block
    quota       the create is refused: 429 insufficient_quota

`dialect` selects the server to imitate (`bot.sandbox.videos.dialects`): openai, openai_guide (more
sizes and durations than the spec), vllm_omni, sglang, litellm or aquiles. `behaviour` makes it slow
(long in the queue, long at 99 %) or busy (it refuses the first two creates).

Not supported: characters, extensions, batches, webhooks, edits of uploaded videos, images from
http URLs, and any path prefix but /v1.
"""

from bot.sandbox.videos.content import Clip, Filler
from bot.sandbox.videos.server import Behaviour, VideosSandbox

__all__ = ["Behaviour", "Clip", "Filler", "VideosSandbox"]
