"""Ids of LiteLLM, which contain the deployment that has the video."""

import base64

import pytest

from bot.videos.route import with_route


def litellm_id(model_id: str, video_id: str) -> str:
    text = f"litellm:custom_llm_provider:openai;model_id:{model_id};video_id:{video_id}"
    return f"video_{base64.b64encode(text.encode()).decode()}"


ORIGINAL = litellm_id("1f0c", "video_1")


def test_a_remix_without_a_deployment_gets_that_of_its_original() -> None:
    remix = litellm_id("", "video_2")
    assert with_route(remix, original=ORIGINAL) == litellm_id("1f0c", "video_2")


@pytest.mark.parametrize(
    ("remix", "original"),
    [
        (litellm_id("2b", "video_2"), ORIGINAL),
        ("video_2", ORIGINAL),
        ("video_dmlkZW8=", ORIGINAL),
        (litellm_id("", "video_2"), "video_1"),
        (litellm_id("", "video_2"), litellm_id("", "video_1")),
    ],
)
def test_every_other_id_stays_as_it_is(remix: str, original: str) -> None:
    assert with_route(remix, original=original) == remix
