"""Judge the model by a year that it has not seen, and beside whoever says that tomorrow is as today."""

import json

from weather import OUT, TARGET, chance_of_rain, parameters, read, year


def main():
    options = parameters()
    model = json.loads((OUT / "model" / "model.json").read_text())
    rows = [row for row in read(OUT / "features.csv") if year(row) >= options["split"]["test_year"]]
    rained = [int(row[TARGET]) for row in rows]
    chances = [chance_of_rain(model, row) for row in rows]
    warned = [chance >= options["evaluate"]["warn_from"] for chance in chances]
    today = [float(row["rain_mm"]) > 0 for row in rows]
    metrics = {
        "accuracy": _mean(said == rain for said, rain in zip(warned, rained, strict=True)),
        "missed": _mean(not said for said, rain in zip(warned, rained, strict=True) if rain),
        "auc": _auc(chances, rained),
        "as_today": _mean(wet == rain for wet, rain in zip(today, rained, strict=True)),
    }
    (OUT / "metrics.json").write_text(json.dumps({name: round(value, 4) for name, value in metrics.items()}) + "\n")
    print(f"right on {metrics['accuracy']:.1%} of {len(rows)} days; as today: {metrics['as_today']:.1%}")


def _mean(values):
    values = list(values)
    return sum(values) / len(values)


def _auc(chances, rained):
    """How often a day before rain has a greater chance of it than a day before none."""
    wet = [chance for chance, rain in zip(chances, rained, strict=True) if rain]
    dry = [chance for chance, rain in zip(chances, rained, strict=True) if not rain]
    return _mean((one > other) + (one == other) / 2 for one in wet for other in dry)


if __name__ == "__main__":
    main()
