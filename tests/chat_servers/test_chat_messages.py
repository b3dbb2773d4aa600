"""Chat messages: images where their marks stood, no mark left, and what cannot be sent said before it is."""

import base64
import io
import json

import pytest
from lm_eval.api.instance import Instance
from lm_eval.models.api_models import JsonChatStr
from PIL import Image
from support.harness_models import show_images

from vrs_lmeval.chat_servers.chat_messages import encode_image, place_images, read_chat


def decode(part):
    assert part["type"] == "image_url"
    return Image.open(io.BytesIO(base64.b64decode(part["image_url"]["url"].removeprefix("data:image/png;base64,"))))


def request(prompt, *images):
    return Instance("generate_until", {}, (prompt, {}, {"visual": list(images)}), 0)


def test_each_image_stands_where_its_mark_stood():
    first, second = show_images()[0], show_images()[2]
    parts = place_images("before <image> and\n<image>\nwhat changed?", [encode_image(first), encode_image(second)])
    assert [part.get("text", "image") for part in parts] == ["before ", "image", " and", "image", "what changed?"]
    assert decode(parts[1]).tobytes() == first.tobytes()
    assert decode(parts[3]).tobytes() == second.tobytes()


def test_a_text_alone_stays_a_text():
    assert place_images("what is shown?", ()) == "what is shown?"


@pytest.mark.parametrize(("text", "count"), [("<image>\nq", 2), ("q", 1), ("<image><image>", 1)])
def test_marks_and_images_are_equally_many(text, count):
    with pytest.raises(ValueError, match=f"marks <image> for {count} images"):
        place_images(text, ["url"] * count)


def test_the_last_message_alone_is_changed():
    chat = [{"role": "system", "content": "Be brief.", "type": "text"}, {"role": "user", "content": "<image>\nq"}]
    read = read_chat(request(JsonChatStr(json.dumps(chat)), show_images()[0]))
    system, user = read.show(["url"])
    assert system == {"role": "system", "content": "Be brief."}
    assert [part["type"] for part in user["content"]] == ["image_url", "text"]


def test_a_bare_prompt_says_what_to_pass():
    with pytest.raises(ValueError, match="--apply_chat_template"):
        read_chat(request("<image>\nq", show_images()[0]))


def test_marks_are_counted_before_anything_is_encoded():
    with pytest.raises(ValueError, match="2 marks <image> for 1 images"):
        read_chat(request(JsonChatStr(json.dumps([{"role": "user", "content": "<image> <image>"}])), show_images()[0]))
