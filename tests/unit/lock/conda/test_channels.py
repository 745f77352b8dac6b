from __future__ import annotations

import pytest

from builder.lock.conda.channels import DEFAULTS, ChannelRefusedError, channel_urls, parts_of, place_of, without_token


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("conda-forge", ("https://conda.anaconda.org/conda-forge",)),
        ("conda-forge/label/rc", ("https://conda.anaconda.org/conda-forge/label/rc",)),
        ("main", ("https://repo.anaconda.com/pkgs/main",)),
        ("pkgs/r", ("https://repo.anaconda.com/pkgs/r",)),
        ("defaults", DEFAULTS),
        ("https://conda.example/team/", ("https://conda.example/team",)),
        ("https://conda.example/team/linux-64", ("https://conda.example/team",)),
        ("file:///srv/channel", ("file:///srv/channel",)),
    ],
)
def test_a_name_means_the_same_on_every_machine(text: str, urls: tuple[str, ...]) -> None:
    assert channel_urls(text) == urls


@pytest.mark.parametrize(
    "text",
    [
        "../up", "./here", "/srv/channel", "a b", "", "name/../other", "ftp://host/x", "https://", "https://host/x?y=1",
        "https://u:p@host/x", "https://u@host/x", "https://host/t/tk-1/x", "https://host/t/tk-1", "file://host/x",
        "file:///srv/../etc", "s3://bucket/x", "https://host:99999999/x", "http://[::1", "https://${USER}:x@host/y",
    ],
)  # fmt: skip
def test_what_is_no_channel_for_a_shared_file_is_refused(text: str) -> None:
    with pytest.raises(ChannelRefusedError) as caught:
        channel_urls(text)
    assert "tk-1" not in f"{caught.value}{caught.value.hint}"


def test_the_url_of_a_package_tells_where_and_what_it_is() -> None:
    url = "https://conda.anaconda.org/conda-forge/label/rc/linux-64/r-base-1!4.3.1+x-h1234_0.conda"
    channel, subdir, file_name = place_of(url)
    assert (channel, subdir) == ("https://conda.anaconda.org/conda-forge/label/rc", "linux-64")
    assert parts_of(file_name) == ("r-base", "1!4.3.1+x", "h1234_0")
    assert parts_of("x-1%211.0-0.tar.bz2") == ("x", "1!1.0", "0")


@pytest.mark.parametrize(
    "url", ["x", "https://host/a-1-0.conda", "s3://b/noarch/a-1-0.conda", "https://h/c/n/a-1-0.conda?x"]
)
def test_what_is_no_url_of_a_package_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not the URL"):
        place_of(url)


@pytest.mark.parametrize("name", ["a.conda", "a-1.conda", "a-1-0.zip", "-1-0.conda", "a/b-1-0.conda", "a-1 2-0.conda"])
def test_what_is_no_name_of_a_package_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        parts_of(name)


def test_a_token_is_taken_out_of_a_url() -> None:
    assert without_token("https://host/t/<TOKEN>/team/noarch/a-1-0.conda") == "https://host/team/noarch/a-1-0.conda"


def test_a_folder_called_t_is_no_token_on_this_machine() -> None:
    assert channel_urls("file:///home/t/shared/channel") == ("file:///home/t/shared/channel",)
    assert without_token("file:///home/t/shared/channel") == "file:///home/t/shared/channel"


@pytest.mark.parametrize("name", ["x-1%2F..%2F..%2F1-0.conda", "x-1%0A-0.conda", "x-%00-0.conda", "x-%20-0.conda"])
def test_no_version_that_a_name_tells_leaves_a_folder(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a conda package"):
        parts_of(name)
