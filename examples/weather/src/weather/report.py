"""What is to be read of the model, as Markdown."""

import json

from weather import DAY, OUT, parameters, read


def main():
    digits = parameters()["report"]["digits"]
    days = read(OUT / "days.csv")
    metrics = json.loads((OUT / "metrics.json").read_text())
    wet = sum(float(day["rain_mm"]) > 0 for day in days)
    lines = [
        "# Rain tomorrow?",
        "",
        f"It rained on {wet} of {len(days)} days, {days[0][DAY]} to {days[-1][DAY]}.",
        "",
        "| on days that the model has not seen | |",
        "|---|---|",
        *(f"| {name} | {value:.{digits}f} |" for name, value in sorted(metrics.items())),
    ]
    (OUT / "report.md").write_text("\n".join(lines) + "\n")
    print(f"{len(lines)} lines")


if __name__ == "__main__":
    main()
