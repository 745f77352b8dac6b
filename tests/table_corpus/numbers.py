"""National numbers with their check digits, by the published rules."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from scan_corpus.people import card, cpf, dni, iban, nir

Dice = random.Random


def _digits(dice: Dice, count: int) -> str:
    return "".join(dice.choice("0123456789") for _ in range(count))


def _sum(digits: str, weights: Sequence[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _born(dice: Dice) -> tuple[int, int, int]:
    return dice.randint(1940, 1999), dice.randint(1, 12), dice.randint(1, 28)


def _luhn(body: str) -> str:
    doubled = sum(sum(divmod(int(digit) * 2, 10)) for digit in body[-1::-2])
    return body + str(-(doubled + sum(map(int, body[-2::-2]))) % 10)


def nhs(dice: Dice) -> str:
    while True:
        body = "4" + _digits(dice, 8)
        check = 11 - _sum(body, range(10, 1, -1)) % 11
        if check != 10:
            return body + str(check % 11)


def pesel(dice: Dice) -> str:
    year, month, day = _born(dice)
    body = f"{year % 100:02}{month:02}{day:02}{_digits(dice, 4)}"
    return body + str(-_sum(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10)


def personnummer(dice: Dice) -> str:
    year, month, day = _born(dice)
    number = _luhn(f"{year % 100:02}{month:02}{day:02}{_digits(dice, 3)}")
    return f"{number[:6]}-{number[6:]}"


def fodselsnummer(dice: Dice) -> str:
    while True:
        year, month, day = _born(dice)
        body = f"{day:02}{month:02}{year % 100:02}{dice.randint(0, 499):03}"
        first = -_sum(body, (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11
        second = -_sum(body + str(first), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
        if first < 10 and second < 10:
            return f"{body}{first}{second}"


def hetu(dice: Dice) -> str:
    year, month, day = _born(dice)
    body = f"{day:02}{month:02}{year % 100:02}{dice.randint(2, 899):03}"
    return f"{body[:6]}-{body[6:]}{'0123456789ABCDEFHJKLMNPRSTUVWXY'[int(body) % 31]}"


def ahv(dice: Dice) -> str:
    body = "756" + _digits(dice, 9)
    number = body + str(-_sum(body, (1, 3) * 6) % 10)
    return f"{number[:3]}.{number[3:7]}.{number[7:11]}.{number[11:]}"


def rijksregister(dice: Dice) -> str:
    year, month, day = _born(dice)
    body = f"{year % 100:02}{month:02}{day:02}{dice.randint(1, 997):03}"
    return f"{body}{97 - int(body) % 97:02}"


def cnp(dice: Dice) -> str:
    year, month, day = _born(dice)
    body = f"{dice.choice('12')}{year % 100:02}{month:02}{day:02}{dice.randint(1, 46):02}{dice.randint(1, 999):03}"
    rest = _sum(body, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return body + str(1 if rest == 10 else rest)


def kimlik(dice: Dice) -> str:
    body = dice.choice("123456789") + _digits(dice, 8)
    tenth = (7 * _sum(body, (1, 0) * 5) - _sum(body, (0, 1) * 5)) % 10
    return f"{body}{tenth}{(sum(map(int, body)) + tenth) % 10}"


def resident(dice: Dice) -> str:
    year, month, day = _born(dice)
    body = f"{dice.choice(['110101', '310104'])}{year}{month:02}{day:02}{_digits(dice, 3)}"
    return body + "10X98765432"[_sum(body, [2**power % 11 for power in range(17, 0, -1)]) % 11]


def bsn(dice: Dice) -> str:
    while True:
        body = "1" + _digits(dice, 7)
        last = _sum(body, range(9, 1, -1)) % 11
        if last < 10:
            return body + str(last)


def sin(dice: Dice) -> str:
    number = _luhn(dice.choice("124567") + _digits(dice, 7))
    return f"{number[:3]} {number[3:6]} {number[6:]}"


def south_african(dice: Dice) -> str:
    year, month, day = _born(dice)
    return _luhn(f"{year % 100:02}{month:02}{day:02}{_digits(dice, 4)}08")


def bare_cpf(dice: Dice) -> str:
    return cpf(dice).replace(".", "").replace("-", "")


NUMBERS: dict[str, tuple[str, Callable[[Dice], str]]] = {
    "card": ("payment-card", card),
    "iban": ("iban", iban),
    **{
        name: ("national-number", make)
        for name, make in {
            "nir": nir, "dni": dni, "cpf": cpf, "bare-cpf": bare_cpf, "nhs": nhs, "pesel": pesel,
            "personnummer": personnummer, "fodselsnummer": fodselsnummer, "hetu": hetu, "ahv": ahv,
            "rijksregister": rijksregister, "cnp": cnp, "kimlik": kimlik, "resident": resident,
            "sin": sin, "south-african": south_african,
        }.items()
    },
}  # fmt: skip
"""By name: the kind, and a generator. All of them are found under a name that says nothing."""
NAMED_NUMBERS: dict[str, tuple[str, Callable[[Dice], str]]] = {"bsn": ("national-number", bsn)}
"""Only where the column's name says so: any number of nine digits passes one of their checks in three cases."""
