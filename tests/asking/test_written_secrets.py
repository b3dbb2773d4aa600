"""Secrets among a model's arguments, which the harness would write into the results."""

import pytest

from vrs_lmeval.asking.written_secrets import find_written_secret
from vrs_lmeval.model import VrsHF


@pytest.mark.parametrize("name", ["token", "hf_token", "use_auth_token", "auth_token"])
def test_a_secret_is_told_by_its_name_alone(name):
    fault = find_written_secret({"pretrained": "org/one", name: "planted"})
    assert fault.startswith(f"{name}: ")
    assert "planted" not in fault


@pytest.mark.parametrize(
    "url", ["https://planted@h/v1", "https://u:planted@h/v1", "https://h/v1?v=1&sig=planted", "http://h?key="]
)
def test_a_secret_in_a_url_is_one(url):
    fault = find_written_secret({"base_url": url})
    assert fault.startswith("base_url: ")
    assert "planted" not in fault


@pytest.mark.parametrize(
    "arguments",
    [{}, {"base_url": "http://h:8/v1?api-version=2"}, {"token": True}, {"token": None}, {"use_auth_token": False}],
)
def test_what_says_whether_a_saved_token_is_used_is_no_secret(arguments):
    assert find_written_secret(arguments) is None


def test_our_model_refuses_before_anything_is_loaded():
    with pytest.raises(ValueError, match=r"token: .* set HF_TOKEN in its place"):
        VrsHF(pretrained="no/such/model", token="planted")
