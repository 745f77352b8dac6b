"""What can be known in the evening of each day, and whether it rains on the next."""

import math
from datetime import date

from weather import DAY, OUT, TARGET, parameters, read, write


def main():
    before = parameters()["features"]["days"]
    days = read(OUT / "days.csv")
    rows = [_features(days, number, before) for number in range(before, len(days) - 1)]
    write(OUT / "features.csv", rows)
    print(f"{len(rows)} days with {len(rows[0]) - 2} features")


def _features(days, number, before):
    today, tomorrow = days[number], days[number + 1]
    season = 2 * math.pi * date.fromisoformat(today[DAY]).timetuple().tm_yday / 365.25
    last = [float(day["rain_mm"]) for day in days[number - before : number]]
    return {
        DAY: today[DAY],
        "rain_mm": today["rain_mm"],
        "rain_before_mm": round(sum(last), 1),
        "wet_days_before": sum(rain > 0 for rain in last),
        "highest_c": today["highest_c"],
        "range_c": round(float(today["highest_c"]) - float(today["lowest_c"]), 1),
        "wind_m_s": today["wind_m_s"],
        "season_sin": round(math.sin(season), 4),
        "season_cos": round(math.cos(season), 4),
        TARGET: int(float(tomorrow["rain_mm"]) > 0),
    }


if __name__ == "__main__":
    main()
