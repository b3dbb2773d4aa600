"""What ncu measured of each launch, as a Markdown table: `python bench/ncu_table.py ncu.csv`.

gpu_check.sh has ncu write that file (`--csv`, a line for each launch and metric) while `bench_cuda.py --once` runs.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

HEADINGS = {
    "smsp__inst_executed.sum": "warp instructions",
    "gpu__time_duration.sum": "time",
    "dram__bytes.sum": "memory",
    "launch__registers_per_thread": "registers",
}


def read_launches(text: str) -> list[dict[str, str]]:
    """A launch's kernel and metrics by name, in their order; lines before the table are ncu's messages."""
    lines = [line for line in text.splitlines() if line.startswith('"')]
    launches: dict[str, dict[str, str]] = {}
    for row in csv.DictReader(lines):
        launch = launches.setdefault(row["ID"], {"kernel": row["Kernel Name"].split("(")[0]})
        launch[row["Metric Name"]] = f"{row['Metric Value']} {row['Metric Unit']}".strip()
    return list(launches.values())


def as_table(launches: list[dict[str, str]]) -> str:
    """Markdown; a metric that ncu left out is empty."""
    lines = ["| kernel | " + " | ".join(HEADINGS.values()) + " |", "|---" * (1 + len(HEADINGS)) + "|"]
    for launch in launches:
        cells = " | ".join(launch.get(name, "") for name in HEADINGS)
        lines.append(f"| `{launch['kernel']}` | {cells} |")
    return "\n".join(lines)


if __name__ == "__main__":
    found = read_launches(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if not found:
        sys.exit("ncu saw no launch")
    print(as_table(found))
