"""Any bytes sent as an image: they are either fitted or refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.decoding.pictures import fitted
from bot.decoding.process import Limits
from bot.errors import DecoderDied, FileRefused
from bot.request import Fit
from tests.support.fuzzing import Here, bounded, search, watched
from tests.support.pictures import picture, size_of

GOOD = [picture(kind, (40, 30)) for kind in ("JPEG", "PNG", "WEBP")]
GOOD.append(picture("JPEG", (40, 30), progressive=True))
LIMITS = Limits(cpu=5, wall=30)


def damaged(content: bytes, damage: list[tuple[float, bytes]], kept: float) -> bytes:
    """The image with some bytes overwritten, and truncated."""
    broken = bytearray(content)
    for place, piece in damage:
        start = int(place * len(broken))
        broken[start : start + len(piece)] = piece
    return bytes(broken[: int(kept * len(broken))])


damage = st.lists(
    st.tuples(
        st.floats(0, 0.999),
        st.binary(min_size=1, max_size=4) | st.sampled_from([b"\xff\xff\xff\xff", b"\0\0\x20\0"]),
    ),
    max_size=6,
)


async def test_any_image_content_is_either_fitted_or_refused(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fit(content: bytes) -> None:
        try:
            result = await fitted(content, size="72x128", fit=Fit.CROP, limits=LIMITS)
        except (FileRefused, DecoderDied):
            return
        assert size_of(result.content)[1:] == (72, 128)

    def test(here: Here) -> None:
        @bounded
        @example(content=GOOD[0], damage=[], kept=1)
        @given(content=st.sampled_from(GOOD), damage=damage, kept=st.floats(0.2, 1))
        def pictures(content: bytes, damage: list[tuple[float, bytes]], kept: float) -> None:
            seen.check(lambda: here(fit(damaged(content, damage, kept))))

        pictures()

    with watched(caplog, monkeypatch) as seen:
        await search(test)
