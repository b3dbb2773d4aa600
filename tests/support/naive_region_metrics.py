"""Naive twins of the metrics of regions, written from their formulas in docs/metrics.md."""

from support.naive_metrics import naive_mean


def naive_region_metrics(rows):
    """Of rows {variant: value or None}; "gold" is right; a row may lack the variants of a region."""

    def flip(row, variant):
        if row["real"] is None or row.get(variant) is None:
            return None
        return 1.0 if row["real"] != row[variant] else 0.0

    result, pairs = {}, []
    for name, variant in (("flip_region", "region_covered"), ("flip_control", "region_control")):
        flips = [flip(row, variant) for row in rows]
        result[name] = naive_mean([value for value in flips if value is not None])
        result[f"acc_{variant}"] = naive_mean([float(row[variant] == "gold") for row in rows if variant in row])
    for row in rows:
        covered, control = flip(row, "region_covered"), flip(row, "region_control")
        pairs += [] if covered is None or control is None else [covered - control]
    return result | {"region_effect": naive_mean(pairs)}
