"""Chat templates after the official ones of each family: role marks, the image's mark, BOS where they write one.

Taken over is what stands in a prompt of user turns with images and texts, and the switch `enable_thinking`; left out
are tools, videos and system prompts that are not written by default.
"""

from __future__ import annotations

BOS = "{{ bos_token }}"
"""As a template's `begin`: the tokenizer's own."""

QWEN_SYSTEM = "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}"


def chat(
    image: str,
    user: str,
    assistant: str,
    *,
    user_end: str = "",
    begin: str = "",
    thought: str = "",
    text: str = "content['text']",
    images_first: bool = False,
) -> str:
    """A template of strings as Jinja writes them ("\\\\n" for a line feed).

    `user`, `user_end`: around a turn; `assistant` opens the answer. `begin` and `thought`: Jinja before the first turn
    and after the opened answer. `text`: the expression that writes a text. `images_first`: images stand before the
    text, wherever the message has them.
    """
    write_image = f"{{% if content['type'] == 'image' %}}{{{{ '{image}' }}}}{{% endif %}}"
    write_text = f"{{% if content['type'] == 'text' %}}{{{{ {text} }}}}{{% endif %}}"
    parts = [write_image, write_text] if images_first else [write_image + write_text]
    body = "".join(f"{{% for content in message['content'] %}}{part}{{% endfor %}}" for part in parts)
    role = f"{{{{ '{user}' if message['role'] == 'user' else '{assistant}' }}}}"
    turns = f"{{% for message in messages %}}{role}{body}{{{{ '{user_end}' }}}}{{% endfor %}}"
    return f"{begin}{turns}{{% if add_generation_prompt %}}{{{{ '{assistant}' }}}}{thought}{{% endif %}}"


def chatml(image: str, begin: str = "", thought: str = "") -> str:
    """Qwen's form, which many families took over."""
    return chat(
        image,
        "<|im_start|>user\\n",
        "<|im_start|>assistant\\n",
        user_end="<|im_end|>\\n",
        begin=begin,
        thought=thought,
    )


def open_thought(opened: str, closed: str) -> str:
    """Jinja that writes `opened`, or `closed` where the caller says enable_thinking=False."""
    return f"{{{{ '{closed}' if enable_thinking is defined and not enable_thinking else '{opened}' }}}}"
