"""How different servers speak the same protocol."""

from bot.sandbox.videos.accents.aquiles import Aquiles
from bot.sandbox.videos.accents.litellm import LiteLLM
from bot.sandbox.videos.accents.openai import Answer, OpenAI, OpenAIGuide
from bot.sandbox.videos.accents.sglang import SGLang
from bot.sandbox.videos.accents.vllm_omni import VllmOmni

ACCENTS: dict[str, type[OpenAI]] = {
    "openai": OpenAI,
    "openai_guide": OpenAIGuide,
    "vllm_omni": VllmOmni,
    "sglang": SGLang,
    "litellm": LiteLLM,
    "aquiles": Aquiles,
}

__all__ = ["ACCENTS", "Answer", "OpenAI"]
