"""Write the data of this example: nobody's, drawn with a seed. `python generate.py` writes the same bytes each time."""

import csv
import random
from datetime import date, timedelta
from pathlib import Path

SEED = 20261001
PATIENTS, VISITS, NEW_VISITS, BROKEN_VISITS = 400, 1500, 600, 300
DEPARTMENTS = {"cardiology": 0.2, "dermatology": 0.3, "general": 0.4, "orthopaedics": 0.1}
DISTRICTS = ("east", "harbour", "hills", "old-town", "west")
FOLDER = Path(__file__).parent
PATIENT_COLUMNS = ("patient_id", "name", "email", "birth_date", "sex", "district")
VISIT_COLUMNS = (
    "visit_id",
    "patient_id",
    "department",
    "booked_on",
    "visit_date",
    "wait_minutes",
    "systolic",
    "cost_eur",
    "no_show",
)


def main() -> None:
    draw = random.Random(SEED)
    patients = [patient(draw, number) for number in range(1, PATIENTS + 1)]
    write("data/patients.csv", PATIENT_COLUMNS, patients)
    visits = [visit(draw, number, patients, date(2026, 7, 1), 92) for number in range(1, VISITS + 1)]
    write("data/visits.csv", VISIT_COLUMNS, visits)
    october = [visit(draw, VISITS + number, patients, date(2026, 10, 1), 31) for number in range(1, NEW_VISITS + 1)]
    broken = [dict(row) for row in october[:BROKEN_VISITS]]
    write("october/visits.csv", VISIT_COLUMNS, [moved(draw, row) for row in october])
    write("broken/visits.csv", VISIT_COLUMNS, spoiled(broken))


def patient(draw: random.Random, number: int) -> dict[str, object]:
    """Someone whom nobody is: numbered, with an address that can receive nothing."""
    return {
        "patient_id": f"P{number:05}",
        "name": f"Test Person {number:03}",
        "email": f"p{number:05}@example.org",
        "birth_date": date(1936, 1, 1) + timedelta(days=draw.randrange(70 * 365)),
        "sex": draw.choices(("f", "m", "x"), (51, 48, 1))[0],
        "district": draw.choice(DISTRICTS),
    }


def visit(draw: random.Random, number: int, patients: list, first: date, days: int) -> dict[str, object]:
    """A visit of one of the patients: who books early, and the young, stay away more often."""
    who = draw.choice(patients)
    visited = first + timedelta(days=draw.randrange(days))
    lead = draw.randrange(1, 60)
    age = visited.year - who["birth_date"].year
    stays_away = draw.random() < 0.04 + lead / 400 + (0.08 if age < 35 else 0)
    pressure = round(draw.gauss(112 + age / 3, 11))
    return {
        "visit_id": f"V{number:06}",
        "patient_id": who["patient_id"],
        "department": draw.choices(list(DEPARTMENTS), DEPARTMENTS.values())[0],
        "booked_on": visited - timedelta(days=lead),
        "visit_date": visited,
        "wait_minutes": "" if stays_away else min(round(draw.gammavariate(2.2, 11)), 180),
        "systolic": "" if stays_away or draw.random() < 0.05 else pressure,
        "cost_eur": f"{0 if stays_away else draw.gammavariate(3, 28):.2f}",
        "no_show": str(stays_away).lower(),
    }


def moved(draw: random.Random, row: dict) -> dict:
    """The same month after the clinic began to send reminders and moved its heart patients elsewhere."""
    row = dict(row)
    if row["department"] == "cardiology" and draw.random() < 0.8:
        row["department"] = "general"
    if row["wait_minutes"] != "":
        row["wait_minutes"] = min(round(row["wait_minutes"] * 1.7 + 5), 180)
    return row


def spoiled(rows: list[dict]) -> list[dict]:
    """What a second system of the clinic sent: each kind of mistake in some rows."""
    for row in rows:
        if row["systolic"] == "":
            row["systolic"] = "-9"  # its word for "not measured"
    for row in rows[100:105]:
        row["visit_date"] = f"{row['visit_date']:%d.%m.%Y}"
    for row in rows[105:110]:
        row["visit_date"] = f"{row['visit_date']:%b %d, %Y}"
    rows[10]["department"] = rows[90]["department"] = "Cardiology "  # a spelling that the contract does not have
    rows[20]["systolic"], rows[21]["systolic"] = 1205, 12  # a comma lost, and kilopascals
    rows[30]["patient_id"] = ""
    rows[40]["patient_id"] = rows[41]["patient_id"] = "P99999"  # nobody
    rows[50]["wait_minutes"] = -15
    rows[60]["visit_id"] = rows[59]["visit_id"]
    rows[70]["cost_eur"] = "n/a"
    return rows


def write(name: str, columns: tuple[str, ...], rows: list[dict]) -> None:
    """One file of rows."""
    path = FOLDER / name
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
