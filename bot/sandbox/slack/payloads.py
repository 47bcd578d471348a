"""The payloads that tell the app what one person did.

The shapes are those of docs.slack.dev: slash commands, interaction payloads, and the Events API.
"""

import copy
from typing import Any

from bot.sandbox.slack.modal import response_urls, state_values
from bot.sandbox.slack.objects import message_object, view_object
from bot.sandbox.slack.state import (
    Conversation,
    Json,
    Message,
    PrivateMessage,
    User,
    View,
    Workspace,
)


class Payloads:
    """Builds the payloads of one person's actions."""

    def __init__(self, workspace: Workspace, user: User) -> None:
        self._workspace = workspace
        self._user = user

    def command(self, command: str, text: str, place: Conversation) -> Json:
        """Return the payload of a slash command."""
        workspace = self._workspace
        return {
            "token": workspace.verification_token,
            "team_id": workspace.team_id,
            "team_domain": workspace.domain,
            "channel_id": place.id,
            "channel_name": place.shown_name,
            "user_id": self._user.id,
            "user_name": self._user.name,
            "command": command,
            "text": text.strip(),
            "api_app_id": workspace.app_id,
            "is_enterprise_install": False,
            "response_url": workspace.issue_response_url(self._user.id, place.id),
            "trigger_id": workspace.issue_trigger(self._user.id),
        }

    def global_shortcut(self, callback_id: str) -> Json:
        """Return the payload of a shortcut picked beside the message field."""
        return self._interaction("shortcut", callback_id=callback_id)

    def message_shortcut(self, callback_id: str, message: Message) -> Json:
        """Return the payload of a shortcut picked from a message's menu."""
        return self._interaction(
            "message_action",
            callback_id=callback_id,
            message_ts=message.ts,
            message=message_object(self._workspace, message),
            **self._place_of(message),
        )

    def action_in_message(self, message: Message | PrivateMessage, action: Json) -> Json:
        """Return the payload of a click or a choice in a message."""
        container = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": message.channel,
            "is_ephemeral": isinstance(message, PrivateMessage),
        }
        if message.thread_ts is not None:
            container["thread_ts"] = message.thread_ts
        payload = self._interaction(
            "block_actions",
            container=container,
            state={"values": state_values(action)},
            actions=[action],
            **self._place_of(message),
        )
        if isinstance(message, Message):
            # An ephemeral message is not in the payload: Slack keeps none.
            payload["message"] = message_object(self._workspace, message)
        return payload

    def action_in_view(self, view: View, action: Json) -> Json:
        """Return the payload of a click or a choice in a modal or the Home tab."""
        container = {"type": "view", "view_id": view.id}
        return self._interaction("block_actions", view, container=container, actions=[action])

    def submission(self, view: View) -> Json:
        """Return the payload of a modal's submission."""
        urls = response_urls(self._workspace, view)
        return self._interaction("view_submission", view, response_urls=urls)

    def closed(self, view: View, *, is_cleared: bool) -> Json:
        """Return the payload of a modal that was closed; it has no trigger."""
        payload = self._interaction("view_closed", view, is_cleared=is_cleared)
        del payload["trigger_id"]
        return payload

    def mention(self, message: Message) -> Json:
        """Return the event of a message that mentions the app."""
        # Someone of another organization is named with their team (docs.slack.dev: Slack Connect).
        team = self._user.team_id
        foreign = {"user_team": team, "source_team": team} if team else {}
        return self._event(self._message_event(message) | {"type": "app_mention"} | foreign)

    def direct_message(self, message: Message, **more: str) -> Json:
        """Return the event of a message in the app's direct message."""
        return self._event(
            {**self._message_event(message), "type": "message", "channel_type": "im", **more}
        )

    def edited(self, message: Message, before: Json) -> Json:
        """Return the event of a direct message that was edited; `before` is its old object."""
        event = {
            "type": "message",
            "subtype": "message_changed",
            "hidden": True,
            "channel": message.channel,
            "channel_type": "im",
            "message": message_object(self._workspace, message),
            "previous_message": before,
            "ts": self._workspace.new_ts(),
            "event_ts": self._workspace.new_ts(),
        }
        return self._event(event)

    def home_opened(self, tab: str, home: View | None) -> Json:
        """Return the event of the app's Home being opened at a tab."""
        event: Json = {
            "type": "app_home_opened",
            "user": self._user.id,
            "channel": self._workspace.direct_message(self._user).id,
            "tab": tab,
            "event_ts": self._workspace.new_ts(),
        }
        if tab == "home" and home is not None:
            event["view"] = self._shown(home)
        return self._event(event)

    def _place_of(self, message: Message | PrivateMessage) -> Json:
        place = self._workspace.channel(message.channel)
        url = self._workspace.issue_response_url(self._user.id, place.id, message)
        return {"channel": {"id": place.id, "name": place.shown_name}, "response_url": url}

    def _message_event(self, message: Message) -> Json:
        shown = message_object(self._workspace, message)
        return {**shown, "channel": message.channel, "event_ts": message.ts}

    def _shown(self, view: View) -> Json:
        return copy.deepcopy(view_object(self._workspace, view))

    def _interaction(self, kind: str, view: View | None = None, **more: Any) -> Json:  # noqa: ANN401 -- any JSON
        workspace, user = self._workspace, self._user
        modal_id = view.id if view is not None and view.type == "modal" else None
        return {
            "type": kind,
            "token": workspace.verification_token,
            "action_ts": workspace.new_ts(),
            "team": {"id": workspace.team_id, "domain": workspace.domain},
            "user": {
                "id": user.id,
                "username": user.name,
                "name": user.name,
                "team_id": user.team_id or workspace.team_id,
            },
            "api_app_id": workspace.app_id,
            "is_enterprise_install": False,
            "enterprise": None,
            "trigger_id": workspace.issue_trigger(user.id, modal_id),
            **({"view": self._shown(view)} if view is not None else {}),
            **more,
        }

    def _event(self, event: Json) -> Json:
        workspace = self._workspace
        authorization = {
            "enterprise_id": None,
            "team_id": workspace.team_id,
            "user_id": workspace.bot_user_id,
            "is_bot": True,
            "is_enterprise_install": False,
        }
        return {
            "token": workspace.verification_token,
            "team_id": workspace.team_id,
            "api_app_id": workspace.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": workspace.new_id("Ev"),
            "event_time": int(workspace.clock()),
            "authorizations": [authorization],
            "is_ext_shared_channel": self._user.team_id is not None,
        }
