"""How different servers implement the Videos API."""

from bot.sandbox.videos.dialects.aquiles import Aquiles
from bot.sandbox.videos.dialects.litellm import LiteLLM
from bot.sandbox.videos.dialects.openai import OpenAI, OpenAIGuide, Response
from bot.sandbox.videos.dialects.sglang import SGLang
from bot.sandbox.videos.dialects.vllm_omni import VllmOmni

DIALECTS: dict[str, type[OpenAI]] = {
    "openai": OpenAI,
    "openai_guide": OpenAIGuide,
    "vllm_omni": VllmOmni,
    "sglang": SGLang,
    "litellm": LiteLLM,
    "aquiles": Aquiles,
}

__all__ = ["DIALECTS", "OpenAI", "Response"]
