from __future__ import annotations

from builder.lock.conda.explicit import is_explicit, read_explicit
from builder.lock.interface import CondaPin

MD5, SHA256 = "a" * 32, "b" * 64
URL = "https://conda.anaconda.org/conda-forge"


def read(text: str) -> tuple[tuple[CondaPin, ...], list[tuple[int, str, str | None]]]:
    problems: list[tuple[int, str, str | None]] = []
    pins = read_explicit(text, "linux-64", lambda line: f"x:{line}", lambda *problem: problems.append(problem))
    return pins, problems


def test_each_line_is_a_package_with_its_hash() -> None:
    text = f"""# platform: linux-64
@EXPLICIT
{URL}/noarch/b-1-0.conda#{MD5}

{URL}/linux-64/a-2-h1_0.tar.bz2#{SHA256.upper()}
https://user:secret@host/t/tk-1/team/noarch/c-3-0.conda#sha256:{SHA256}
"""
    assert is_explicit(text)
    pins, problems = read(text)
    assert not problems
    assert pins == (
        CondaPin(f"{URL}/linux-64/a-2-h1_0.tar.bz2", None, SHA256, "x:5"),
        CondaPin(f"{URL}/noarch/b-1-0.conda", MD5, None, "x:3"),
        CondaPin("https://host/team/noarch/c-3-0.conda", None, SHA256, "x:6"),
    )


def test_all_that_cannot_be_taken_is_told_with_its_line() -> None:
    lines = [
        "@EXPLICIT", f"{URL}/noarch/a-1-0.conda", f"{URL}/noarch/b-1-0.conda#1234", f"{URL}/osx-64/c-1-0.conda#{MD5}",
        "numpy=1.26", f"{URL}/noarch/d.conda#{MD5}",
        f"{URL}/noarch/e-1-0.conda#{MD5}", f"{URL}/noarch/e-2-0.conda#{MD5}",
    ]  # fmt: skip
    _, problems = read("\n".join(lines))
    assert [line for line, _, _ in problems] == [2, 3, 4, 5, 6, 8]
    assert problems[0][1] == "`a-1-0.conda` has no hash"
    assert "--sha256" in str(problems[0][2])
    assert problems[2][1] == "`c-1-0.conda` is for `osx-64`, not for `linux-64`"


def test_a_list_without_its_mark_is_none() -> None:
    assert not is_explicit(f"{URL}/noarch/a-1-0.conda#{MD5}\n")
