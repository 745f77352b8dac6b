"""Tables about nobody: numbers that look like others, names that sound like others, and public data."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from functools import partial

from scan_corpus.people import _digits

from table_corpus.numbers import _luhn
from table_corpus.planted import GROUPS, PlantedColumn, PlantedTable

ROWS = 200
CHECKED, FORMS, INSIDE, NAMES, ATTRIBUTES = GROUPS
Make = Callable[[random.Random], object]


def _long(count: int, dice: random.Random) -> str:
    return "1" + _digits(dice, count - 1)


def _isbn(dice: random.Random) -> str:
    body = "3" + _digits(dice, 8)
    check = -sum(int(digit) * weight for digit, weight in zip(body, range(10, 1, -1), strict=True)) % 11
    return body + "0123456789X"[check]


_NUMBERS: dict[str, Make] = {
    "seven": lambda dice: dice.randint(10**6, 10**7 - 1),
    **{f"digits_{count}": partial(_long, count) for count in range(8, 20)},
    "order_id": lambda dice: "4" + _digits(dice, 15),
    "epoch": lambda dice: dice.randint(1_500_000_000, 1_700_000_000),
    "epoch_ms": lambda dice: dice.randint(1_500_000_000_000, 1_700_000_000_000),
    "day": lambda dice: f"20{dice.randint(10, 25)}{dice.randint(1, 12):02}{dice.randint(1, 28):02}",
    "stamp": lambda dice: f"20{dice.randint(10, 25)}{dice.randint(1, 12):02}{dice.randint(1, 28):02}{_digits(dice, 4)}",
    "isbn": _isbn,
    "siren": lambda dice: _luhn("4" + _digits(dice, 7)),
    "imei": lambda dice: _luhn("35" + _digits(dice, 12)),
    "ean": lambda dice: "400" + _digits(dice, 10),
    "sku": lambda dice: _digits(dice, 8) + dice.choice("ABCDEFGH"),
    "part": lambda dice: f"AB-{_digits(dice, 4)}-{_digits(dice, 4)}",
    "lot": lambda dice: f"{_digits(dice, 3)}.{_digits(dice, 3)}.{_digits(dice, 3)}-{_digits(dice, 2)}",
    "hash": lambda dice: f"{dice.getrandbits(128):032x}",
    "uuid": lambda dice: str(uuid.UUID(int=dice.getrandbits(128))),
    "code": lambda dice: "".join(dice.choice("ABCDEFGHJKLMNP") for _ in range(2)) + _digits(dice, 20),
}
_FORMS: dict[str, Make] = {
    "version": lambda dice: f"{dice.randint(0, 9)}.{dice.randint(0, 99)}.{dice.randint(0, 20)}.{dice.randint(0, 9)}",
    "private": lambda dice: f"192.168.{dice.randint(0, 255)}.{dice.randint(1, 254)}",
    "x": lambda dice: dice.gauss(0, 1),
    "price": lambda dice: f"{dice.randint(1, 900)}.{dice.randint(0, 99):02}",
    "when": lambda dice: f"2024-0{dice.randint(1, 9)}-1{dice.randint(0, 9)}T10:{dice.randint(10, 59)}:00+02:00",
    "offset": lambda dice: f"+0{dice.randint(1, 9)}:00",
    "clock": lambda dice: f"{dice.randint(0, 23):02}:{dice.randint(0, 59):02}:{dice.randint(0, 59):02}",
    "range": lambda dice: f"{dice.randint(100, 200)}-{dice.randint(201, 300)}",
    "mac_address": lambda dice: ":".join(f"{dice.getrandbits(8):02x}" for _ in range(6)),
    "handle": lambda dice: f"@team{_digits(dice, 3)}",
    "package": lambda dice: f"left-pad@{dice.randint(0, 9)}.1.{dice.randint(0, 9)}",
    "masked": lambda dice: f"***@{dice.choice(['mail', 'web'])}.de",
    "vector": lambda dice: f"[{dice.random():.4f}, {dice.random():.4f}, {dice.random():.4f}]",
}
_SENTENCES: dict[str, Make] = {
    "review": lambda dice: f"Arrived after {dice.randint(2, 9)} days, {dice.randint(1, 5)} stars, would buy again.",
    "log": lambda dice: f"{dice.randint(0, 10**9):010} worker {dice.randint(1, 9)} took {dice.random():.6f} s",
    "support": lambda dice: f"See support@example.com, ticket {_digits(dice, 8)}.",
    "sql": lambda dice: f"SELECT * FROM t WHERE id = {_digits(dice, 9)}",
    "path": lambda dice: f"/data/2024/{_digits(dice, 8)}/part-{_digits(dice, 5)}.parquet",
}
_WORDS = ("alpha", "beta", "Gamma Delta", "north wind", "Blue")
_NAMES = (
    "product_name", "file_name", "column_name", "brandName", "city_name", "model name", "feature_names", "class",
    "house_age", "median_income", "engine_cell", "sex_ratio", "race_time", "host_name", "memory_address", "web_address",
    "zip_file", "email_sent", "phone_model", "account_balance", "address_count", "average", "sales", "message", "stage",
    "percentage", "tissue", "diagnostics_count", "nombre_de_pieces", "team_name", "etage", "shipping_weight", "title",
)  # fmt: skip


def harmless() -> Iterator[PlantedTable]:
    columns = []
    for group, made in ((CHECKED, _NUMBERS), (FORMS, _FORMS), (INSIDE, _SENTENCES)):
        for name, make in made.items():
            dice = random.Random(name)
            columns.append(PlantedColumn(name, [make(dice) for _ in range(ROWS)], group=group))
    for suffix in ("csv", "parquet", "jsonl"):
        yield PlantedTable(f"harmless.{suffix}", tuple(columns))
    dice = random.Random("names")
    named = [
        PlantedColumn(name, [dice.choice(_WORDS) if number % 2 else dice.random() for _ in range(ROWS)], group=NAMES)
        for number, name in enumerate(_NAMES)
    ]
    yield PlantedTable("harmless-names.csv", tuple(named))
    for number, name in enumerate(("sex", "age", "latitude", "income")):  # of animals, trees, wells, villages
        values = [dice.choice("mf") if name == "sex" else dice.randint(1, 40) for _ in range(ROWS)]
        size = PlantedColumn("size", [dice.random() for _ in range(ROWS)], group=ATTRIBUTES)
        yield PlantedTable(f"ok-attribute-{number}.csv", (PlantedColumn(name, values, group=ATTRIBUTES), size))
