"""What a browser shows, as numbered changes: a reconnecting browser gets only what it missed."""

import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

Parts = Mapping[str, Any]
"""The state by path, such as `message/C1/1700000000.000100`; any JSON values."""


class Feed:
    """Compares the parts with what they were, and numbers each round of changes."""

    def __init__(self, parts: Callable[[], Parts]) -> None:
        self._parts = parts
        self._run = secrets.token_hex(4)
        self._number = 0
        self._texts: dict[str, str | None] = {}
        self._changed: dict[str, int] = {}

    def after(self, event_id: str | None) -> str | None:
        """Return the event that follows this one; None while nothing has changed since.

        An id that is not of this feed (the server was restarted) begins anew: its event replaces
        everything that the browser has.
        """
        self._refresh()
        seen = self._number_of(event_id)
        if seen == self._number:
            return None
        parts = [
            f"{json.dumps(path)}:{self._texts[path] or 'null'}"
            for path, number in self._changed.items()
            if number > (seen or 0) and (seen is not None or self._texts[path] is not None)
        ]
        reset = json.dumps(seen is None)
        return f'id: {self.last_id}\ndata: {{"reset":{reset},"parts":{{{",".join(parts)}}}}}\n\n'

    @property
    def last_id(self) -> str:
        """The id of the newest event."""
        return f"{self._run}-{self._number}"

    def _refresh(self) -> None:
        now = {path: json.dumps(value) for path, value in self._parts().items()}
        gone = dict.fromkeys(self._texts.keys() - now.keys())
        changed = {
            path: text for path, text in (now | gone).items() if self._texts.get(path) != text
        }
        if changed or not self._number:
            self._number += 1
            self._texts |= changed
            self._changed |= dict.fromkeys(changed, self._number)

    def _number_of(self, event_id: str | None) -> int | None:
        run, _, number = (event_id or "").rpartition("-")
        return int(number) if run == self._run and number.isdecimal() else None
