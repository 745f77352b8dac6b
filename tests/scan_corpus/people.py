"""Tables and texts with people in them, and with numbers that only look so."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Iterator

from scan_corpus.planted import Planted

ROWS = 60


def _digits(dice: random.Random, count: int) -> str:
    return "".join(dice.choice("0123456789") for _ in range(count))


def card(dice: random.Random) -> str:
    """Computed by ISO/IEC 7812-1, not by the code under test."""
    body = dice.choice(["4" + _digits(dice, 14), "5" + dice.choice("12345") + _digits(dice, 13)])
    doubled = sum(sum(divmod(int(digit) * 2, 10)) for digit in body[-1::-2])
    return body + str(-(doubled + sum(map(int, body[-2::-2]))) % 10)


def iban(dice: random.Random) -> str:
    bank = _digits(dice, 18)
    check = 98 - int(bank + "131400") % 97  # D is 13, E is 14
    return f"DE{check:02}{bank}"


def nir(dice: random.Random) -> str:
    body = (
        dice.choice("12")
        + _digits(dice, 2)
        + dice.choice(["01", "07", "12"])
        + dice.choice(["33", "75"])
        + _digits(dice, 6)
    )
    return body + f"{97 - int(body) % 97:02}"


def dni(dice: random.Random) -> str:
    number = _digits(dice, 8)
    return number + "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]


def cpf(dice: random.Random) -> str:
    digits = [int(digit) for digit in _digits(dice, 9)]
    for _ in range(2):
        weights = range(len(digits) + 1, 1, -1)
        rest = sum(map(int.__mul__, digits, weights)) * 10 % 11
        digits.append(rest % 10)
    text = "".join(map(str, digits))
    return f"{text[:3]}.{text[3:6]}.{text[6:9]}-{text[9:]}"


def email(dice: random.Random) -> str:
    return f"{dice.choice(['anna', 'bo', 'carla'])}.{_digits(dice, 4)}@{dice.choice(['mail.de', 'corp.co.uk'])}"


def phone(dice: random.Random) -> str:
    return f"+49 170 {dice.randint(2000000, 9999999)}"


def ssn(dice: random.Random) -> str:
    return f"{dice.randint(100, 600)}-{dice.randint(10, 99)}-{dice.randint(1000, 9999)}"


PEOPLE: dict[str, Callable[[random.Random], str]] = {
    "personal-payment-card": card,
    "personal-iban": iban,
    "personal-french-nir": nir,
    "personal-spanish-dni": dni,
    "personal-brazilian-cpf": cpf,
    "personal-email": email,
    "personal-phone": phone,
    "personal-us-ssn": ssn,
}


def grouped(text: str) -> str:
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def _tables(rule: str, values: list[str]) -> Iterator[tuple[str, str]]:
    yield f"{rule}.csv", "id,x,y\n" + "".join(f"{n},{value},{n / 7}\n" for n, value in enumerate(values))
    yield f"{rule}-quoted.csv", "id;x;y\n" + "".join(f'{n};"{value}";"a;b"\n' for n, value in enumerate(values))
    yield f"{rule}.tsv", "id\tx\n" + "".join(f"{n}\t{value}\n" for n, value in enumerate(values))
    yield f"{rule}.jsonl", "".join(json.dumps({"id": n, "x": value}) + "\n" for n, value in enumerate(values))
    yield f"{rule}.json", json.dumps([{"id": n, "x": value} for n, value in enumerate(values)], indent=1)
    yield f"{rule}.txt", "".join(f"Row {n} is about {value}.\n" for n, value in enumerate(values))
    yield f"{rule}-rare.csv", "id,x,y\n" + "".join(f"{n},{values[n % 7] if n % 7 == 3 else ''},0\n" for n in range(200))


def people() -> Iterator[Planted]:
    for rule, make in PEOPLE.items():
        dice = random.Random(rule)
        values = [make(dice) for _ in range(ROWS)]
        for name, text in _tables(rule, values):
            yield Planted("personal data", f"data/{name}", text.encode(), rule, "data", values[3])
        cell = {"cell_type": "code", "source": "df", "outputs": [{"data": {"text/plain": "\n".join(values)}}]}
        yield Planted("personal data", f"{rule}.ipynb", json.dumps({"cells": [cell]}).encode(), rule)
    dice = random.Random("grouped")
    for rule, make in (("personal-payment-card", card), ("personal-iban", iban)):
        text = "x\n" + "".join(f"{grouped(make(dice))}\n" for _ in range(ROWS))
        yield Planted("personal data", f"data/{rule}-grouped.csv", text.encode(), rule, "data")
    codes = "RSSMRA85T10A562S BNCLRA90A41H501X".split()  # noqa: SIM905
    yield Planted("personal data", "data/codes.csv", f"x\n{codes[0]}\n".encode(), "personal-italian-tax-code", "data")
    yield from _nobody()


def _nobody() -> Iterator[Planted]:
    dice = random.Random("nobody")
    columns: dict[str, Callable[[], str]] = {
        "order": lambda: "4" + _digits(dice, 15),
        "big": lambda: _digits(dice, 16),
        "nine": lambda: _digits(dice, 9),
        "fifteen": lambda: "1" + _digits(dice, 14),
        "eleven": lambda: _digits(dice, 11),
        "float": lambda: str(dice.random()),
        "negative": lambda: str(dice.gauss(0, 1)),
        "time": lambda: f"2024-0{dice.randint(1, 9)}-1{dice.randint(0, 9)}T10:00:00",
        "epoch": lambda: str(dice.randint(1_500_000_000_000, 1_700_000_000_000)),
        "uuid": lambda: str(uuid.UUID(int=dice.getrandbits(128))),
        "sha": lambda: f"{dice.getrandbits(256):064x}",
        "part": lambda: f"AB-{_digits(dice, 4)}-{_digits(dice, 4)}",
        "version": lambda: f"{dice.randint(0, 9)}.{dice.randint(0, 99)}.{dice.randint(0, 99)}",
        "ip": lambda: ".".join(str(dice.randint(0, 255)) for _ in range(4)),
        "isbn": lambda: "978-3-" + _digits(dice, 8) + "-1",
        "price": lambda: f"{dice.randint(1, 9)}.{_digits(dice, 3)}.{_digits(dice, 3)},00",
        "sku": lambda: _digits(dice, 8) + dice.choice("ABCDEFGH"),
        "coordinates": lambda: f"{dice.random() * 90:.8f} {dice.random() * 180:.8f}",
        "handle": lambda: "@anna" + _digits(dice, 3),
        "package": lambda: f"left-pad@{dice.randint(0, 9)}.1.{dice.randint(0, 9)}",
        "image": lambda: f"x@sha256:{dice.getrandbits(64):x}",
        "example": lambda: f"user{_digits(dice, 3)}@example.com",
        "placeholder": lambda: "name@domain.com",
        "offset": lambda: f"+0{dice.randint(1, 9)}:00",
        "gain": lambda: f"+{dice.random() * 10:.9f}",
        "code": lambda: f"0x{dice.getrandbits(40):x}",
    }
    for name, make in columns.items():
        text = f"id,{name}\n" + "".join(f"{n},{make()}\n" for n in range(400))
        yield Planted("personal data", f"data/ok-{name}.csv", text.encode(), role="data")
        lines = "".join(json.dumps({"id": n, name: make()}) + "\n" for n in range(400))
        yield Planted("personal data", f"data/ok-{name}.jsonl", lines.encode(), role="data")
    yield Planted("personal data", "data/README.txt", b"Ask anna.schmidt@mail.de about it.\n", role="data")
