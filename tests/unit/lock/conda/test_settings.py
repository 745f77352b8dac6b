from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from builder.errors import EnvbuildError
from builder.fetch import Mirrors
from builder.lock.conda.settings import CondaSettings, read_settings, with_channels

ALIAS = "https://conda.anaconda.org/"


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


def read(tmp_path: Path, variables: dict[str, str] | None = None, **settings: Any) -> CondaSettings:
    (tmp_path / "rc").write_text(yaml.safe_dump(settings))
    return read_settings({"CONDARC": str(tmp_path / "rc"), **(variables or {})})


def test_a_machine_without_settings_asks_the_channels_themselves() -> None:
    settings = read_settings({})
    assert settings.candidates(f"{ALIAS}a/noarch/x") == (f"{ALIAS}a/noarch/x",)
    assert settings.header(ALIAS) is None


def test_the_nearest_setting_decides(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        channel_alias="https://all.example",
        custom_channels={"team": "https://u:p@team.example/conda"},
        mirrored_channels={"conda-forge": ["https://one.example/cf", "https://two.example/cf/"]},
    )
    assert settings.candidates(f"{ALIAS}bioconda/x") == ("https://all.example/bioconda/x",)
    assert settings.candidates(f"{ALIAS}team/x") == ("https://team.example/conda/team/x",)
    assert settings.candidates(f"{ALIAS}conda-forge/x") == ("https://one.example/cf/x", "https://two.example/cf/x")
    assert settings.header("https://team.example/conda/team/x") == "Basic dTpw"
    assert settings.header("https://team.example/other") is None


def test_the_variable_goes_before_the_file_and_the_users_file_before_the_systems(tmp_path: Path) -> None:
    (tmp_path / ".condarc").write_text("channel_alias: https://home.example\n")
    assert read_settings({}).candidates(f"{ALIAS}a") == ("https://home.example/a",)
    assert read(tmp_path, channel_alias="https://rc.example").candidates(f"{ALIAS}a") == ("https://rc.example/a",)
    variables = {"CONDA_CHANNEL_ALIAS": "https://var.example"}
    found = read(tmp_path, variables, channel_alias="https://rc.example")
    assert found.candidates(f"{ALIAS}a") == ("https://var.example/a",)


def test_variables_in_values_are_filled_in(tmp_path: Path) -> None:
    settings = read(tmp_path, {"TOKEN": "tk-9"}, channel_alias="https://host/t/${TOKEN}")
    assert settings.candidates(f"{ALIAS}a") == ("https://host/t/tk-9/a",)
    assert settings.secrets == ("tk-9",)


def test_an_auth_file_gives_headers_and_tokens_by_host(tmp_path: Path) -> None:
    (tmp_path / "auth").write_text(
        json.dumps({
            "a.example": {"BearerToken": "bb"}, "b.example": {"CondaToken": "tk"},
            "c.example": {"BasicHTTP": {"username": "u", "password": "p"}}, "*.d.example": {"BearerToken": "x"},
        })
    )  # fmt: skip
    settings = read(tmp_path, {"RATTLER_AUTH_FILE": str(tmp_path / "auth")}, channel_alias="https://b.example/conda")
    assert settings.header("https://a.example/x") == "Bearer bb"
    assert settings.header("https://c.example/x") == "Basic dTpw"
    assert settings.candidates(f"{ALIAS}cf/x") == ("https://b.example/t/tk/conda/cf/x",)
    assert settings.candidates("https://b.example/own/x") == ("https://b.example/t/tk/own/x",)
    assert set(settings.secrets) == {"bb", "tk", "p"}


def test_nothing_secret_is_in_a_repr(tmp_path: Path) -> None:
    settings = read(tmp_path, channel_alias="https://u:secret1@host/t/secret2/x")
    mirrors = with_channels(Mirrors(), settings)
    assert mirrors.candidates(f"{ALIAS}a") == ("https://host/t/secret2/x/a",)
    assert mirrors.authorization("https://host/t/secret2/x/a") == settings.header("https://host/t/secret2/x/a")
    assert "secret" not in f"{settings!r}{mirrors!r}{settings.places[0][1]!r}"


@pytest.mark.parametrize(
    "settings",
    [
        {"channel_alias": "not a url"}, {"channel_alias": "ftp://u:hidden@host"}, {"custom_channels": {"../x": "https://h"}},
        {"mirrored_channels": {"conda-forge": [3]}}, {"channel_alias": "http://[::1"}, {"channel_alias": "https://h:99999999"},
    ],
)  # fmt: skip
def test_settings_that_mean_nothing_are_told_without_their_values(tmp_path: Path, settings: Any) -> None:
    with pytest.raises(EnvbuildError, match="conda settings of this machine") as caught:
        read(tmp_path, **settings)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("text", ["a: [", "\0", "a: b: c"])
def test_a_file_that_is_no_yaml_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "rc").write_text(text)
    with pytest.raises(EnvbuildError, match=r"rc(:\d+)?` is not YAML"):
        read_settings({"CONDARC": str(tmp_path / "rc")})


@pytest.mark.parametrize("text", ["[", "[]", '{"a": 3}', '{"a": {"BasicHTTP": {}}}', "[" * 100_000])
def test_an_auth_file_that_is_none_is_told_without_its_content(tmp_path: Path, text: str) -> None:
    (tmp_path / "auth").write_text(text)
    with pytest.raises(EnvbuildError, match="is not a file of credentials"):
        read_settings({"RATTLER_AUTH_FILE": str(tmp_path / "auth")})
