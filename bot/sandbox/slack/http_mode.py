"""HTTP mode: envelopes as signed requests to the app's request URL."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import aiohttp

from bot.sandbox.slack.sockets import Ack, Envelope
from bot.sandbox.slack.state import Json


class SignedRequests:
    """Posts envelopes to the app, encoded and signed as Slack does."""

    def __init__(
        self,
        url: str,
        signing_secret: str,
        clock: Callable[[], float],
        ack_timeout: Callable[[], float],
    ) -> None:
        self._url = url
        self._secret = signing_secret
        self._clock = clock
        self._ack_timeout = ack_timeout

    async def deliver(self, envelope: Envelope) -> Ack:
        """Send an envelope, and return the app's response as its acknowledgement."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        body, headers = self._encode(envelope)
        envelope.sent.append(self._clock())
        try:
            async with asyncio.timeout(self._ack_timeout()):
                status, content_type, text = await self._post(body, headers)
        except TimeoutError:
            return Ack(envelope, loop.time() - began, error="operation_timeout")
        except aiohttp.ClientError:
            return Ack(envelope, loop.time() - began, error="dispatch_failed")
        took = loop.time() - began
        if status != 200:
            return Ack(envelope, took, error="dispatch_failed")
        envelope.acked.append(self._clock())
        return Ack(envelope, took, _payload(content_type, text))

    async def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.post(self._url, data=body, headers=headers) as response,
        ):
            return response.status, response.content_type, await response.text()

    def _encode(self, envelope: Envelope) -> tuple[bytes, dict[str, str]]:
        match envelope.type:
            case "slash_commands":
                fields = {name: _form_value(value) for name, value in envelope.payload.items()}
                body, kind = urlencode(fields), "application/x-www-form-urlencoded"
            case "interactive":
                body = urlencode({"payload": json.dumps(envelope.payload)})
                kind = "application/x-www-form-urlencoded"
            case "events_api":
                body, kind = json.dumps(envelope.payload), "application/json"
        return body.encode(), self._headers(envelope, body.encode(), kind)

    def _headers(self, envelope: Envelope, body: bytes, kind: str) -> dict[str, str]:
        # docs.slack.dev: verifying requests from Slack
        timestamp = str(int(self._clock()))
        base = b"v0:" + timestamp.encode() + b":" + body
        digest = hmac.new(self._secret.encode(), base, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": kind,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": f"v0={digest}",
        }
        if envelope.retry_attempt:
            headers["X-Slack-Retry-Num"] = str(envelope.retry_attempt)
            headers["X-Slack-Retry-Reason"] = envelope.retry_reason
        return headers


def _form_value(value: Any) -> str:  # noqa: ANN401 -- any JSON value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _payload(content_type: str, text: str) -> Json | None:
    if not text:
        return None
    if content_type != "application/json":
        return {"text": text}
    payload = json.loads(text)
    return payload if isinstance(payload, dict) else None
