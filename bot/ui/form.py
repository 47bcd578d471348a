"""The form: a modal with a field for each parameter of a video. This file builds and reads it.

A field's action_id is its name, and so is its block_id; only `seconds` and `size` have their
choices in the block_id, too. Slack keeps what was entered where both ids stay the same, and a
choice that the new model does not have must not stay.

At most seven fields are shown at first. Two buttons at the end each show one more: a text file for
the prompt, and another image in place of the one that the form was opened with.

An image that the form was opened with is in the view's private_metadata, which only the bot sets.
What is submitted only says whether to use it: it could name anyone's file. The thread in which the
video was requested is there, too.
"""

import re
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot import pictures
from bot.catalog import Catalog, Model
from bot.errors import BadForm, BadRequest, FileRefused
from bot.request import (
    MAX_PROMPT_BYTES,
    MAX_PROMPT_LENGTH,
    Draft,
    Fit,
    InputReference,
    VideoRequest,
    check_prompt,
)
from bot.ui.blocks import (
    MAX_INPUT_TEXT,
    Block,
    actions,
    button,
    context,
    dollars,
    measure,
    plain_text,
)
from bot.ui.failures import file_problem
from bot.ui.replies import problem
from bot.uploads import check_upload

CALLBACK_ID = "video_form"
PROMPT = "prompt"
PROMPT_FILE = "prompt_file"
MODEL = "model"
SECONDS = "seconds"
SIZE = "size"
INPUT_REFERENCE = "input_reference"
GIVEN_REFERENCE = "given_reference"
CHANNEL = "channel"
NOTIFY = "notify"
SHOW_PROMPT_FILE = "show_prompt_file"
SHOW_INPUT_REFERENCE = "show_input_reference"
REDRAWING = (MODEL, SECONDS, SIZE, SHOW_PROMPT_FILE, SHOW_INPUT_REFERENCE)
"""The fields and buttons that change the rest of the form."""

MAX_RADIO_BUTTONS = 10
MAX_NOTIFY = 20

_SHOWN_BY = {SHOW_PROMPT_FILE: PROMPT_FILE, SHOW_INPUT_REFERENCE: INPUT_REFERENCE}
_TEXT_FILE_BUTTON, _IMAGE_BUTTON = "Use a text file instead", "Use another image"
_DATED = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")
_PICTURE, _THREAD = "picture", "thread"
"""The names in the private_metadata, as in `picture=F1,U1,crop thread=C1,1234.5678`."""
_USER_ID = re.compile(r"[UW][A-Z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A submitted form; its prompt may be in a file."""

    request: VideoRequest
    prompt_file: str | None
    image_size: str
    """Of an image that was uploaded in the form, as far as Slack says: `400x300`, or empty."""
    channel_id: str
    thread_ts: str | None
    notify: tuple[str, ...]


def build_form(
    draft: Draft | VideoRequest,
    catalog: Catalog,
    *,
    channel_id: str | None = None,
    thread_ts: str | None = None,
    notify: Sequence[str] = (),
    requested: Collection[str] = (),
) -> Block:
    """The modal, filled in with what is known; `thread_ts` is a thread in that channel.

    What the catalog does not have (any more) becomes the model's own default. A prompt that
    is longer than Slack's text field is left out. `requested` names the file fields that are
    shown although the form does not start with them.
    """
    model = catalog.find(draft.model or "") or catalog.default
    thread = f"{channel_id},{thread_ts}" if thread_ts else ""
    return {
        "type": "modal",
        "callback_id": CALLBACK_ID,
        "private_metadata": _metadata(draft.input_reference, thread),
        "title": plain_text("Create a video"),
        "submit": plain_text("Create"),
        "close": plain_text("Cancel"),
        "blocks": [
            _prompt_field(draft.prompt),
            *_model_fields(catalog, model, draft),
            _image_field(draft.input_reference, requested),
            _channel_field(channel_id),
            _notify_field(notify),
            *([_prompt_file_field()] if PROMPT_FILE in requested else []),
            *_more_buttons(draft.input_reference, requested),
            _price(model, draft),
        ],
    }


def redraw_form(view: Mapping[str, Any], catalog: Catalog, action_id: str) -> Block:
    """The same form after a choice or a button that changes its other fields."""
    entered = _Entered(view)
    draft = Draft(
        prompt=entered.text,
        model=entered.option(MODEL),
        seconds=entered.option(SECONDS),
        size=entered.option(SIZE),
        input_reference=entered.given_reference,
    )
    form = build_form(
        draft,
        catalog,
        channel_id=entered.channel,
        notify=entered.users,
        requested=[_SHOWN_BY.get(action_id, ""), *(block["block_id"] for block in view["blocks"])],
    )
    return form | {"private_metadata": view["private_metadata"]}


def read_form(view: Mapping[str, Any], catalog: Catalog, *, user_id: str) -> Submission:
    """The request that the person submitted.

    Raises:
        BadForm: something is not right; it says what, for each field.
    """
    entered = _Entered(view)
    model = entered.model(catalog)
    submission = Submission(
        request=VideoRequest(
            prompt=entered.text,
            model=model.name,
            seconds=entered.choice(SECONDS, model.seconds, model),
            size=entered.choice(SIZE, model.sizes, model),
            input_reference=entered.reference(user_id),
        ),
        prompt_file=entered.prompt_file(user_id),
        image_size=entered.image_size,
        channel_id=entered.channel or "",
        thread_ts=entered.thread_ts,
        notify=tuple(user for user in entered.users if user != user_id),
    )
    entered.check_prompt()
    if entered.errors:
        raise BadForm(entered.errors)
    return submission


# Building


def _prompt_field(prompt: str) -> Block:
    text: Block = {"multiline": True, "max_length": MAX_INPUT_TEXT}
    if 0 < len(prompt) <= MAX_INPUT_TEXT:
        text["initial_value"] = prompt
    element = {"type": "plain_text_input", **text}
    return _input(PROMPT, "Prompt", element, hint=_prompt_hint(prompt), optional=True)


def _prompt_file_field() -> Block:
    return _input(
        PROMPT_FILE,
        "Prompt as a text file",
        {"type": "file_input", "filetypes": ["txt", "md"], "max_files": 1},
        hint=f"Instead of typing it: .txt or .md, up to {MAX_PROMPT_LENGTH:,} characters.",
        optional=True,
    )


def _prompt_hint(prompt: str) -> str:
    if len(prompt) > MAX_INPUT_TEXT:
        return (
            f"Your prompt has {len(prompt):,} characters, and this field takes "
            f"{MAX_INPUT_TEXT:,}. Press “{_TEXT_FILE_BUTTON}” below."
        )
    return "Describe the video."


def _model_fields(catalog: Catalog, model: Model, draft: Draft | VideoRequest) -> list[Block]:
    models = {each.name: each.title for each in _undated_first(catalog.models)}
    seconds, size = _chosen(draft.seconds, model.seconds), _chosen(draft.size, model.sizes)
    fields = [_choice(MODEL, MODEL, "Model", models, model.name)]
    if seconds:
        words = {each: f"{each} seconds" for each in model.seconds}
        fields.append(_choice(SECONDS, _block_id(SECONDS, words), "Length", words, seconds))
    if size:
        words = {each: _size_in_words(each) for each in model.sizes}
        fields.append(_choice(SIZE, _block_id(SIZE, words), "Size", words, size))
    return fields


def _undated_first(models: Sequence[Model]) -> list[Model]:
    """A dated model, such as sora-2-2025-10-06, is a fixed version of the one without a date."""
    return sorted(models, key=lambda model: bool(_DATED.search(model.name)))


def _price(model: Model, draft: Draft | VideoRequest) -> Block:
    seconds, size = _chosen(draft.seconds, model.seconds), _chosen(draft.size, model.sizes)
    return context(_price_in_words(model, seconds, size)) | {"block_id": "price"}


def _image_field(given: InputReference | None, requested: Collection[str]) -> Block:
    if given and INPUT_REFERENCE not in requested:
        return _given_field()
    return _input(
        INPUT_REFERENCE,
        "Starting image",
        {"type": "file_input", "filetypes": pictures.FILE_TYPES, "max_files": 1},
        hint="The first frame of the video: JPG, PNG or WebP.",
        optional=True,
    )


def _more_buttons(given: InputReference | None, requested: Collection[str]) -> list[Block]:
    labels = {SHOW_INPUT_REFERENCE: _IMAGE_BUTTON} if given else {}
    labels[SHOW_PROMPT_FILE] = _TEXT_FILE_BUTTON
    buttons = [
        button(label, action_id)
        for action_id, label in labels.items()
        if _SHOWN_BY[action_id] not in requested
    ]
    return [actions(*buttons) | {"block_id": "more"}] if buttons else []


def _metadata(given: InputReference | None, thread: str) -> str:
    parts = {
        _PICTURE: f"{given.file_id},{given.user_id},{given.fit}" if given else "",
        _THREAD: thread,
    }
    return " ".join(f"{name}={value}" for name, value in parts.items() if value)


def _given_field() -> Block:
    option = _option("use", "Use the current image")
    return _input(
        GIVEN_REFERENCE,
        "Starting image",
        {"type": "checkboxes", "options": [option], "initial_options": [option]},
        hint=f"To replace it, press “{_IMAGE_BUTTON}” below.",
        optional=True,
    )


def _channel_field(channel_id: str | None) -> Block:
    chosen = {"initial_conversation": channel_id} if channel_id else {}
    chooser = {"type": "conversations_select", "default_to_current_conversation": True}
    return _input(
        CHANNEL,
        "Where to post",
        chooser | chosen,
        hint="For private channels, invite @video first.",
    )


def _notify_field(notify: Sequence[str]) -> Block:
    chosen = {"initial_users": list(notify)} if notify else {}
    chooser = {"type": "multi_users_select", "max_selected_items": MAX_NOTIFY}
    return _input(
        NOTIFY,
        "Who to notify",
        chooser | chosen,
        hint="They will be mentioned along with you when the video is ready.",
        optional=True,
    )


def _choice(name: str, block_id: str, label: str, choices: Mapping[str, str], chosen: str) -> Block:
    """Radio buttons for a few lengths, otherwise a menu; both report changes."""
    radio = name == SECONDS and len(choices) <= MAX_RADIO_BUTTONS
    element = {
        "type": "radio_buttons" if radio else "static_select",
        "options": [_option(value, words) for value, words in choices.items()],
        "initial_option": _option(chosen, choices[chosen]),
    }
    field = _input(name, label, element)
    return field | {"block_id": block_id, "dispatch_action": True}


def _input(
    name: str, label: str, element: Block, *, hint: str = "", optional: bool = False
) -> Block:
    return {
        "type": "input",
        "block_id": name,
        "label": plain_text(label),
        "element": element | {"action_id": name},
        "optional": optional,
        **({"hint": plain_text(hint)} if hint else {}),
    }


def _option(value: str, words: str) -> Block:
    return {"value": value, "text": plain_text(words)}


def _block_id(name: str, choices: Iterable[str]) -> str:
    return f"{name}:{zlib.crc32(' '.join(choices).encode()):08x}"


def _chosen(wanted: str | None, allowed: Sequence[str]) -> str:
    return wanted if wanted in allowed and wanted else next(iter(allowed), "")


def _size_in_words(size: str) -> str:
    width, height = map(int, size.split("x"))
    shape = "Square" if width == height else "Portrait" if width < height else "Landscape"
    return f"{shape} {measure(size)}"


def _price_in_words(model: Model, seconds: str, size: str) -> str:
    price = model.price(seconds=seconds, size=size)
    if price is None:
        return "*Price:* unknown"
    return f"*Price:* about {dollars(price)} for {seconds} seconds"


# Reading


class _Entered:
    """The values of the form's fields, and what is wrong with them."""

    def __init__(self, view: Mapping[str, Any]) -> None:
        fields = view["state"]["values"].items()
        self._states = {name: state for _, field in fields for name, state in field.items()}
        self._block_ids = {name: block_id for block_id, field in fields for name in field}
        parts = (part.partition("=") for part in str(view["private_metadata"]).split())
        self._metadata = {name: value.split(",") for name, _, value in parts if value}
        self.errors: dict[str, str] = {}

    @property
    def text(self) -> str:
        return str(self._state(PROMPT).get("value") or "")

    @property
    def channel(self) -> str | None:
        return self._state(CHANNEL).get("selected_conversation")

    @property
    def thread_ts(self) -> str | None:
        """The thread in which it was requested, unless another channel was chosen."""
        channel_id, thread_ts = self._metadata.get(_THREAD, ("", ""))
        return thread_ts if thread_ts and channel_id == self.channel else None

    @property
    def users(self) -> list[str]:
        chosen = self._state(NOTIFY).get("selected_users") or []
        return [user for user in dict.fromkeys(chosen) if _USER_ID.fullmatch(user)]

    @property
    def image_size(self) -> str:
        files = self._files(INPUT_REFERENCE)
        # Slack adds them once it has processed the image (docs.slack.dev: file object).
        sides = [files[0].get(side) for side in ("original_w", "original_h")] if files else []
        return "x".join(map(str, sides)) if sides and all(sides) else ""

    @property
    def given_reference(self) -> InputReference | None:
        """The image that the form was opened with, whether still selected or not."""
        if _PICTURE not in self._metadata:
            return None
        file_id, user_id, *fit = self._metadata[_PICTURE]  # earlier versions named no fit
        return InputReference(file_id=file_id, user_id=user_id, fit=Fit(*fit or [Fit.CROP]))

    def option(self, name: str) -> str | None:
        chosen = self._state(name).get("selected_option")
        return chosen["value"] if chosen else None

    def model(self, catalog: Catalog) -> Model:
        model = catalog.find(self.option(MODEL) or "")
        if model is None:
            self._wrong(MODEL, "This model is no longer available. Choose another.")
        return model or catalog.default

    def choice(self, name: str, allowed: Sequence[str], model: Model) -> str:
        """The chosen value; a field that was not shown has the model's default."""
        chosen = self.option(name)
        if chosen is not None and allowed and chosen not in allowed:
            takes = ", ".join(map(measure, allowed))
            self._wrong(name, f"{model.title} doesn't support this. Choose {takes}.")
        return _chosen(chosen, allowed)

    def check_prompt(self) -> None:
        """Require either a text or a file, not both."""
        if self._files(PROMPT_FILE):
            if self.text.strip():
                self._wrong(PROMPT_FILE, "Either type the prompt or add a file, not both.")
            return
        try:
            check_prompt(self.text)
        except BadRequest as error:
            self._wrong(PROMPT, problem(error))

    def prompt_file(self, user_id: str) -> str | None:
        return self._file(PROMPT_FILE, user_id, MAX_PROMPT_BYTES, "text/")

    def reference(self, user_id: str) -> InputReference | None:
        """The image uploaded here, otherwise the given one if it is still selected."""
        types = tuple(pictures.EXTENSIONS)
        file_id = self._file(INPUT_REFERENCE, user_id, pictures.MAX_BYTES, types)
        if file_id is not None:
            return InputReference(file_id=file_id, user_id=user_id, fit=Fit.CROP)
        if not self._state(GIVEN_REFERENCE).get("selected_options"):
            return None
        if self.given_reference is None:  # the form was opened by an earlier version of the bot
            self._wrong(
                GIVEN_REFERENCE, "I no longer have this image. Open the form again and add it."
            )
        return self.given_reference

    def _file(
        self, name: str, user_id: str, limit: int, types: str | tuple[str, ...]
    ) -> str | None:
        """The id of the file in this field, checked as far as its metadata allows."""
        files = self._files(name)
        if not files:
            return None
        file = files[0]
        # Some have no metadata before files.info (docs.slack.dev: file object).
        if file.get("mode"):
            try:
                check_upload(file, user_id=user_id, limit=limit)
            except FileRefused as error:
                self._wrong(name, file_problem(error))
            mime = file.get("mimetype")
            if mime and not str(mime).startswith(types):
                self._wrong(name, f"This isn't a {_KINDS[name]}.")
        return str(file["id"])

    def _files(self, name: str) -> list[dict[str, Any]]:
        return self._state(name).get("files") or []

    def _state(self, name: str) -> dict[str, Any]:
        return self._states.get(name) or {}

    def _wrong(self, name: str, message: str) -> None:
        self.errors.setdefault(self._block_ids.get(name, MODEL), message)


_KINDS = {PROMPT_FILE: "text file (.txt or .md)", INPUT_REFERENCE: "JPG, PNG or WebP image"}
