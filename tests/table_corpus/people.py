"""Tables with people in them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace

from scan_corpus.people import email, grouped, phone, ssn

from table_corpus.numbers import NAMED_NUMBERS, NUMBERS
from table_corpus.planted import GROUPS, PlantedColumn, PlantedTable

ROWS = 120
CHECKED, FORMS, INSIDE, NAMES, ATTRIBUTES = GROUPS
_FIRST = "Anna Bo Carla Dieter Élodie Fatima Giulia Hans Inés Jan Kofi Lea Mehmet Noor Olga Pavel".split()  # noqa: SIM905
_LAST = "Smith Müller O'Brien García Rossi Dubois Nowak de Vries Sørensen Yildiz Tan Kim".split(" ")  # noqa: SIM905


def _ip(dice: random.Random) -> str:
    return (
        f"{dice.choice([81, 92, 145, 178, 212])}.{dice.randint(1, 254)}.{dice.randint(1, 254)}.{dice.randint(1, 254)}"
    )


def _ip6(dice: random.Random) -> str:
    return f"2a02:810{dice.randint(1, 9)}:{dice.getrandbits(16):x}:{dice.getrandbits(16):x}::{dice.getrandbits(16):x}"


def _position(dice: random.Random) -> str:
    return f"{dice.uniform(36, 60):.6f}, {dice.uniform(-9, 30):.6f}"


def _us_phone(dice: random.Random) -> str:
    return f"({dice.randint(201, 989)}) {dice.randint(201, 989)}-{dice.randint(1000, 9999)}"


def _french_phone(dice: random.Random) -> str:
    return "0" + str(dice.randint(1, 9)) + "".join(f" {dice.randint(10, 99)}" for _ in range(4))


_FORMS = {
    "email": ("email", email), "phone": ("phone", phone), "us-phone": ("phone", _us_phone),
    "french-phone": ("phone", _french_phone), "ssn": ("national-number", ssn), "ip": ("ip-address", _ip),
    "ip6": ("ip-address", _ip6), "position": ("coordinates", _position),
}  # fmt: skip
_NAMED = {
    "name": ("first_name", "LastName", "Vorname", "nom_de_famille", "apellidos", "cognome", "customerName", "efternamn",
             "姓名"),
    "address": ("address", "street_address", "Anschrift", "direccion", "indirizzo", "ulica", "homeAddress", "住所"),
    "birth-date": ("birth_date", "DateOfBirth", "dob", "geburtsdatum", "fecha_nacimiento", "data di nascita",
                   "生年月日"),
    "phone": ("phone", "mobile_number", "Handynummer", "telefono", "puhelin", "电话"),
    "email": ("e-mail", "customerEMail", "correo", "sähköposti"),
    "passport": ("passport_no", "Reisepass", "pasaporte", "drivers_license"),
    "account": ("user_id", "patientId", "Kundennummer", "username"),
    "national-number": ("ssn", "Steuer-ID", "codice_fiscale", "aadhaar"),
}  # fmt: skip
_ATTRIBUTES = {
    "gender": ("gender", "Geschlecht", "sexo"), "age": ("age", "Alter", "edad"),
    "salary": ("salary", "annual_income", "Gehalt"), "health": ("diagnosis", "blood_type", "maladie"),
    "origin": ("nationality", "ethnicity"), "belief": ("religion",), "family": ("marital_status",),
    "postcode": ("zip_code", "PLZ"),
}  # fmt: skip


def _value(kind: str, dice: random.Random) -> str:
    """A value that a column of a kind has, which only its name explains."""
    return {
        "name": lambda: dice.choice(_LAST),
        "address": lambda: f"{dice.choice(['Main Street', 'Rue de Lille', 'Calle Mayor'])} {dice.randint(1, 99)}",
        "birth-date": lambda: f"{dice.randint(1930, 2009)}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}",
        "phone": lambda: f"0{dice.randint(10**8, 10**9 - 1)}",
        "email": lambda: email(dice),
        "passport": lambda: f"{dice.choice('CFGHJK')}{dice.randint(10**7, 10**8 - 1)}",
        "account": lambda: f"u{dice.randint(1, 10**6)}",
        "national-number": lambda: f"{dice.randint(10**8, 10**9 - 1)}",
        "gender": lambda: dice.choice("mfd"),
        "age": lambda: str(dice.randint(0, 99)),
        "salary": lambda: str(dice.randint(20_000, 90_000)),
        "health": lambda: dice.choice(["J45.0", "E11.9", "none"]),
        "origin": lambda: dice.choice(["DE", "FR", "TR"]),
        "belief": lambda: dice.choice(["rk", "ev", "none"]),
        "family": lambda: dice.choice(["single", "married"]),
        "postcode": lambda: f"{dice.randint(10_000, 99_999)}",
    }[kind]()


def _sentence(value: str, dice: random.Random) -> str:
    return dice.choice([f"Please ask for {value} tomorrow.", f"note: {value}, see above", f"({value}) called twice"])


def people() -> Iterator[PlantedTable]:
    yield from _numbers()
    yield from _forms()
    yield from _named()
    yield from _attributes()


def _together(path: str, columns: Iterable[PlantedColumn]) -> PlantedTable:
    """Columns in one table; those without a name get one that says nothing."""
    named = [column if column.name else replace(column, name=f"c{number}") for number, column in enumerate(columns)]
    return PlantedTable(path, (PlantedColumn("id", list(range(1, ROWS + 1)), group=CHECKED), *named))


def _numbers() -> Iterator[PlantedTable]:
    full, rare, mixed, whole, text = [], [], [], [], []
    for name, (kind, make) in NUMBERS.items():
        dice = random.Random(name)
        values = [make(dice) for _ in range(ROWS)]
        full.append(PlantedColumn("", values, kind, CHECKED))
        few = [values[row] if row % 12 == 5 else "" for row in range(ROWS)]
        rare.append(PlantedColumn("", few, kind, CHECKED))
        mostly = [value if row % 10 else "unknown" for row, value in enumerate(values)]
        mixed.append(PlantedColumn("", mostly, kind, CHECKED))
        if all(value.isdecimal() and not value.startswith("0") for value in values):
            whole.append(PlantedColumn("", [int(value) for value in values], kind, CHECKED))
    dice = random.Random("grouped")
    for name in ("card", "iban"):
        kind, make = NUMBERS[name]
        full.append(PlantedColumn("", [grouped(make(dice)) for _ in range(ROWS)], kind, CHECKED))
        text.append(PlantedColumn("", [_sentence(make(dice), dice) for _ in range(ROWS)], kind, INSIDE))
    for name, (kind, make) in NAMED_NUMBERS.items():
        full.append(PlantedColumn(name, [make(dice) for _ in range(ROWS)], kind, CHECKED))
    for suffix in ("csv", "parquet", "jsonl"):
        yield _together(f"numbers.{suffix}", full)
    yield _together("rare.csv", rare)
    yield _together("mixed.jsonl", mixed)
    yield _together("whole.parquet", whole)
    yield _together("text-numbers.csv", text)


def _forms() -> Iterator[PlantedTable]:
    full, text, nested = [], [], []
    for name, (kind, make) in _FORMS.items():
        dice = random.Random(name)
        values = [make(dice) for _ in range(ROWS)]
        full.append(PlantedColumn("", values, kind, FORMS))
        if name in ("email", "phone", "ssn"):
            notes = [_sentence(value, dice) if row % 6 == 0 else "nothing new" for row, value in enumerate(values)]
            text.append(PlantedColumn("", notes, kind, INSIDE))
            parts = [{"about": value, "n": row} for row, value in enumerate(values)]
            nested.append(PlantedColumn("", parts, kind, INSIDE))
    for suffix in ("csv", "parquet", "jsonl"):
        yield _together(f"forms.{suffix}", full)
    yield _together("text.csv", text)
    yield _together("text.parquet", text)
    yield _together("nested.jsonl", nested)


def _named() -> Iterator[PlantedTable]:
    for number, suffix in enumerate(("csv", "parquet", "jsonl")):
        yield _together(
            f"named.{suffix}",
            (
                PlantedColumn(name, [_value(kind, random.Random(f"{name}{row}")) for row in range(ROWS)], kind, NAMES)
                for kind, names in _NAMED.items()
                for name in names[number::3]
            ),
        )


def _attributes() -> Iterator[PlantedTable]:
    who = PlantedColumn("surname", [_value("name", random.Random(row)) for row in range(ROWS)], "name", NAMES)
    for number in range(3):
        columns = [
            PlantedColumn(names[number], [_value(kind, random.Random(f"{kind}{row}")) for row in range(ROWS)], kind,
                          ATTRIBUTES)
            for kind, names in _ATTRIBUTES.items()
            if number < len(names)
        ]  # fmt: skip
        yield PlantedTable(f"attributes-{number}.csv", (who, *columns))
    together = tuple(
        PlantedColumn(_ATTRIBUTES[kind][0], [_value(kind, random.Random(f"{kind}{row}")) for row in range(ROWS)], kind,
                      ATTRIBUTES)
        for kind in ("age", "gender", "postcode")
    )  # fmt: skip
    yield PlantedTable("attributes-together.csv", together)
