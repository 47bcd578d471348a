"""A video's file is named after its prompt."""

from dataclasses import replace

import pytest

from bot.ui.titles import file_name, file_title
from tests.support.jobs import REQUEST, make_job


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A timelapse of clouds!", "a-timelapse-of-clouds.mp4"),
        ("../../etc/passwd", "etc-passwd.mp4"),
        ("夜の海", "夜の海.mp4"),
        ("हिन्दी में", "हिन्दी-में.mp4"),
        ("🌧️ 🌧️", "video.mp4"),
        ("one two " * 50, "one-two-" * 7 + "one.mp4"),
        ("x" * 100, "x" * 60 + ".mp4"),
        ("", "video.mp4"),
    ],
)
def test_a_file_has_the_first_words_of_its_prompt_as_its_name(prompt: str, name: str) -> None:
    assert file_name(make_job(request=replace(REQUEST, prompt=prompt)), "mp4") == name


def test_a_title_is_the_beginning_of_the_prompt_on_one_line() -> None:
    job = make_job(request=replace(REQUEST, prompt="clouds\n over  the sea, " + "and waves " * 20))
    title = file_title(job)
    assert title.startswith("clouds over the sea, and waves")
    assert len(title) <= 80
