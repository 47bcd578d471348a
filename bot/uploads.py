"""Rules for files that people upload to Slack: texts with prompts, and starting images."""

from collections.abc import Mapping
from typing import Any

from bot.errors import FileProblem, FileRefused


def check_upload(file: Mapping[str, Any], *, user_id: str, limit: int) -> None:
    """Check that this person uploaded the file to Slack, and that it has at most `limit` bytes.

    Raises:
        FileRefused: the first rule that it breaks.
    """
    if file.get("is_external") or file.get("mode") not in {"hosted", "snippet"}:
        # Someone else chose its URL (metabase/metabase#82320).
        raise FileRefused(FileProblem.ONLY_LINKED)
    if file.get("user") != user_id:
        raise FileRefused(FileProblem.NOT_YOURS)
    if int(file.get("size") or 0) > limit:
        raise FileRefused(FileProblem.TOO_LARGE, limit=limit)
