"""Take what the weather service gives: dates as ISO 8601 has them, units in the names, days in order."""

import os
from datetime import date, timedelta

from weather import OUT, read, write


def main():
    rows = sorted((_day(row) for row in read(os.environ["ENVBUILD_DATA_SEATTLE_WEATHER"])), key=lambda row: row["day"])
    days = [date.fromisoformat(row["day"]) for row in rows]
    gaps = [day for day, before in zip(days[1:], days, strict=False) if day - before != timedelta(days=1)]
    if gaps:
        raise SystemExit(f"days are missing or twice before {gaps[0]}")
    write(OUT / "days.csv", rows)
    print(f"{len(rows)} days, {rows[0]['day']} to {rows[-1]['day']}")


def _day(row):
    return {
        "day": row["date"].replace("/", "-"),
        "rain_mm": row["precipitation"],
        "highest_c": row["temp_max"],
        "lowest_c": row["temp_min"],
        "wind_m_s": row["wind"],
    }


if __name__ == "__main__":
    main()
