"""Learn how often people stay away, by department and by how early they booked: reads the data, writes the rates."""

import csv
import json
import os
from collections import Counter
from datetime import date
from pathlib import Path

LONG = 28
"""Days between booking and visit that are many."""


def main() -> None:
    booked, away = Counter(), Counter()
    with open(os.environ["ENVBUILD_DATA_VISITS"], encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            group = f"{row['department']}, booked {'early' if days_ahead(row) > LONG else 'late'}"
            booked[group] += 1
            away[group] += row["no_show"] == "true"
    rates = {group: round(away[group] / booked[group], 4) for group in sorted(booked)}
    out = Path(os.environ["ENVBUILD_OUT"])
    (out / "model").mkdir(exist_ok=True)
    (out / "model" / "rates.json").write_text(json.dumps(rates, indent=2) + "\n")
    share = away.total() / booked.total()
    (out / "metrics.json").write_text(json.dumps({"no_show": round(share, 4), "visits": booked.total()}) + "\n")
    print(f"{booked.total()} visits; nobody came to {share:.1%} of them")


def days_ahead(row: dict[str, str]) -> int:
    return (date.fromisoformat(row["visit_date"]) - date.fromisoformat(row["booked_on"])).days


if __name__ == "__main__":
    main()
