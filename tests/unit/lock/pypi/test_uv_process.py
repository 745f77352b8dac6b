from __future__ import annotations

import pytest

from builder.fetch.mirrors import Mirrors
from builder.lock.pypi.uv_process import uv_variables

URL = "https://corp.example/simple/"
CORP = {"name": "Corp.1", "url": URL}
SECRET = "https://me:p%40ss@corp.example/simple"


def seen(variables: dict[str, str], *indexes: dict[str, object]) -> dict[str, str]:
    access = (
        Mirrors.from_environment(variables).with_indexes({str(one["name"]): str(one["url"]) for one in indexes}).access
    )
    return uv_variables(variables, indexes, access)


@pytest.mark.parametrize(
    "name",
    [
        "UV_INDEX_STRATEGY",
        "UV_CONSTRAINT",
        "UV_PRERELEASE",
        "UV_EXCLUDE_NEWER",
        "UV_FIND_LINKS",
        "UV_CONFIG_FILE",
        "UV_NO_BINARY",
        "UV_PYTHON",
        "RUST_LOG",
        "PIP_FIND_LINKS",
        "PIP_EXTRA_INDEX_URL",
        "UV_TORCH_BACKEND",
    ],
)
def test_what_would_change_what_is_chosen_is_kept_from_uv(name: str) -> None:
    assert seen({name: "x", "HOME": "/h"}) == {"HOME": "/h"}


@pytest.mark.parametrize(
    "name",
    [
        "UV_HTTP_TIMEOUT",
        "UV_HTTP_RETRIES",
        "UV_CACHE_DIR",
        "HTTPS_PROXY",
        "NO_PROXY",
        "NETRC",
        "UV_KEYRING_PROVIDER",
        "UV_INDEX_CORP_1_USERNAME",
        "UV_INDEX_CORP_1_PASSWORD",
        "SSL_CERT_DIR",
        "UV_SYSTEM_CERTS",
    ],
)
def test_what_says_how_to_reach_an_index_is_not(name: str) -> None:
    assert seen({name: "x"}) == {name: "x"}


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"])
def test_a_mirror_of_pypi_stands_for_it_unless_the_spec_names_a_default(name: str) -> None:
    assert seen({name: SECRET}, {"name": "x", "url": "https://x/"}) == {"UV_DEFAULT_INDEX": SECRET}
    assert seen({name: "https://m.example/"}, {"name": "x", "url": "https://x/", "default": True}) == {}


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX", "UV_EXTRA_INDEX_URL"])
@pytest.mark.parametrize("form", [SECRET, f"anything={SECRET}"])
def test_credentials_of_a_url_are_those_of_the_index_of_this_url(name: str, form: str) -> None:
    found = seen({name: f"{form}"}, {**CORP, "default": True})
    assert found == {"UV_INDEX_CORP_1_USERNAME": "me", "UV_INDEX_CORP_1_PASSWORD": "p@ss"}


def test_variables_with_an_indexs_name_come_first() -> None:
    variables = {"UV_INDEX": SECRET, "UV_INDEX_CORP_1_USERNAME": "other", "UV_INDEX_CORP_1_PASSWORD": "x"}
    assert seen(variables, CORP)["UV_INDEX_CORP_1_USERNAME"] == "other"
    assert seen(variables, CORP)["UV_INDEX_CORP_1_PASSWORD"] == "x"


def test_other_indexes_of_the_machine_stay() -> None:
    variables = {"UV_INDEX": f"one=https://one.example/simple corp-1={URL} https://two.example/simple"}
    assert seen(variables, CORP) == {"UV_INDEX": "one=https://one.example/simple https://two.example/simple"}


@pytest.mark.parametrize("name", ["PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_are_given_in_the_variable_that_uv_knows(name: str) -> None:
    assert seen({name: "/ca.pem"})["SSL_CERT_FILE"] == "/ca.pem"
    assert seen({name: "/ca.pem", "SSL_CERT_FILE": "/own.pem"})["SSL_CERT_FILE"] == "/own.pem"
