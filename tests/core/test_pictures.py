"""Starting images: upright, in the video's size, never distorted, without metadata."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from bot.decoding.child import Refused
from bot.decoding.fit_picture import Fitted, fit_picture
from bot.pictures import MAX_PIXELS, max_pixels
from bot.request import Fit
from tests.support.pictures import opened, picture, size_of

RED, BLUE, BLACK, WHITE = (255, 0, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255)


def fitted(content: bytes, *, size: str, fit: Fit) -> Fitted:
    return fit_picture(content, size=size, fit=fit, max_pixels=max_pixels(size))


def close_to(colour: tuple[int, int, int], seen: object) -> bool:
    """Whether the colours match, within the loss of JPEG and WebP."""
    assert isinstance(seen, tuple)
    return all(abs(one - two) < 12 for one, two in zip(colour, seen, strict=True))


@pytest.mark.parametrize(
    ("kind", "mime"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")]
)
@pytest.mark.parametrize("fit", list(Fit))
def test_a_fitted_image_keeps_its_format_and_gets_the_exact_size(
    kind: str, mime: str, fit: Fit
) -> None:
    result = fitted(picture(kind, (4032, 3024)), size="720x1280", fit=fit)
    assert size_of(result.content) == (kind, 720, 1280)
    assert (result.mime, result.from_size) == (mime, "4032x3024")


def test_cropping_trims_the_sides_and_keeps_the_middle() -> None:
    seen = opened(fitted(picture("PNG", (400, 100)), size="100x100", fit=Fit.CROP).content)
    assert [seen.getpixel((x, 50)) for x in (5, 95)] == [RED, BLUE]
    assert BLACK not in [seen.getpixel((x, y)) for x in (0, 99) for y in (0, 99)]


def test_padding_keeps_the_whole_image_between_black_bars() -> None:
    seen = opened(fitted(picture("PNG", (400, 100)), size="200x200", fit=Fit.PAD).content)
    # The 4:1 image becomes 200 x 50, centred.
    assert [seen.getpixel((100, y)) for y in (0, 70, 130, 199)] == [BLACK] * 4
    assert [seen.getpixel((x, 100)) for x in (5, 195)] == [RED, BLUE]


def test_an_image_of_the_right_size_keeps_its_pixels() -> None:
    content = picture("PNG", (72, 128))
    seen = opened(fitted(content, size="72x128", fit=Fit.CROP).content)
    assert ImageChops.difference(opened(content), seen).getbbox() is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_rotated_photo_is_turned_upright_and_loses_its_metadata(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    exif[0x010E] = "my garden"
    exif.get_ifd(0x8825)[1] = "N"
    taken = picture(kind, (1200, 800), exif=exif)
    result = fitted(taken, size="80x120", fit=Fit.CROP)
    seen = opened(result.content)
    assert result.from_size == "800x1200"
    assert close_to(RED, seen.getpixel((40, 10)))
    assert close_to(BLUE, seen.getpixel((40, 110)))
    assert dict(seen.getexif()) == {}
    assert b"garden" not in result.content
    assert not {"exif", "icc_profile", "xmp", "comment"} & set(seen.info)


def test_a_cmyk_image_is_converted_to_rgb() -> None:
    content = picture("JPEG", (72, 128), mode="CMYK")
    assert opened(fitted(content, size="72x128", fit=Fit.CROP).content).mode == "RGB"


def test_sixteen_bit_grey_is_scaled_instead_of_clipped() -> None:
    sink = io.BytesIO()
    Image.new("I;16", (72, 128), 0x8000).save(sink, "PNG")
    seen = opened(fitted(sink.getvalue(), size="72x128", fit=Fit.CROP).content)
    assert seen.getpixel((5, 5)) == (128, 128, 128)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_become_white(mode: str) -> None:
    sink = io.BytesIO()
    Image.new("RGBA", (1440, 2560), (0, 0, 0, 0)).convert(mode).save(sink, "PNG")
    seen = opened(fitted(sink.getvalue(), size="72x128", fit=Fit.CROP).content)
    assert seen.getpixel((5, 5)) == WHITE


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_only_the_first_frame_of_an_animation_is_used(kind: str) -> None:
    frames = [Image.new("RGB", (72, 128), colour) for colour in ("red", "blue")]
    sink = io.BytesIO()
    frames[0].save(sink, kind, save_all=True, append_images=frames[1:], lossless=True)
    seen = opened(fitted(sink.getvalue(), size="72x128", fit=Fit.CROP).content)
    assert close_to(RED, seen.getpixel((5, 5)))
    assert getattr(seen, "n_frames", 1) == 1


def test_a_multi_picture_jpeg_becomes_a_plain_jpeg() -> None:
    sink = io.BytesIO()
    Image.new("RGB", (720, 1280), "red").save(
        sink, "MPO", save_all=True, append_images=[Image.new("RGB", (72, 128), "blue")]
    )
    result = fitted(sink.getvalue(), size="720x1280", fit=Fit.CROP)
    assert (result.mime, size_of(result.content)) == ("image/jpeg", ("JPEG", 720, 1280))


def test_without_a_target_size_only_large_images_are_scaled_down() -> None:
    result = fitted(picture("PNG", (300, 200)), size="", fit=Fit.CROP)
    assert size_of(result.content) == ("PNG", 300, 200)
    large = fitted(picture("PNG", (3000, 2000)), size="", fit=Fit.CROP)
    assert size_of(large.content) == ("PNG", 2048, 1365)


@pytest.mark.parametrize("size", [(10_000, 5_000), (30_000, 10_000), (MAX_PIXELS + 1, 1)])
def test_an_image_with_too_many_pixels_is_refused_by_its_header(size: tuple[int, int]) -> None:
    header = picture("PNG", size, mode="1")[:50]  # the pixels are missing
    with pytest.raises(Refused, match=r"^pixels$"):
        fitted(header, size="720x1280", fit=Fit.CROP)


@pytest.mark.parametrize(
    ("size", "most"),
    [
        ("", 25_000_000),
        ("720x1280", 29_491_200),
        ("480x832", 25_000_000),
        ("1792x1024", 40_000_000),
    ],
)
def test_a_larger_video_allows_a_larger_image(size: str, most: int) -> None:
    assert max_pixels(size) == most
    with pytest.raises(Refused, match=r"^pixels$"):
        fitted(picture("PNG", (most + 1, 1), mode="1"), size=size, fit=Fit.CROP)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!DOCTYPE html><html>Sign in</html>",
        picture("GIF", (72, 128)),
        picture("TIFF", (72, 128)),
        picture("JPEG", (720, 1280))[:2000],
        picture("PNG", (720, 1280))[:200],
    ],
)
def test_an_unreadable_or_unsupported_image_is_refused(content: bytes) -> None:
    with pytest.raises(Refused, match=r"^unreadable$"):
        fitted(content, size="720x1280", fit=Fit.CROP)


@pytest.mark.filterwarnings("ignore")  # Pillow warns about damage and continues
@settings(max_examples=150, deadline=None)
@given(
    content=st.sampled_from(
        [picture("JPEG", (40, 30)), picture("PNG", (40, 30)), picture("WEBP", (40, 30))]
    ),
    damage=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=8),
    kept=st.floats(0.3, 1),
)
def test_a_damaged_image_is_either_fitted_or_refused(
    content: bytes, damage: list[tuple[float, int]], kept: float
) -> None:
    broken = bytearray(content)
    for place, byte in damage:
        broken[int(place * len(broken))] = byte
    try:
        result = fitted(bytes(broken[: int(kept * len(broken))]), size="8x16", fit=Fit.CROP)
    except Refused:
        return
    assert size_of(result.content)[1:] == (8, 16)


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 3000),
    height=st.integers(1, 60),
    turned=st.booleans(),
    fit=st.sampled_from(Fit),
)
def test_an_image_of_any_shape_is_fitted_to_the_videos_size(
    width: int, height: int, *, turned: bool, fit: Fit
) -> None:
    shape = (height, width) if turned else (width, height)
    result = fitted(picture("PNG", shape, mode="L"), size="72x128", fit=fit)
    assert size_of(result.content) == ("PNG", 72, 128)
