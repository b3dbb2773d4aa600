"""Naive twins of the metrics without an image and of other words, written from their formulas in docs/metrics.md."""

import math

from support.naive_metrics import naive_mean


def naive_text_metrics(rows):
    """Of rows {variant: (value or None, remark or None, declines, claims)}; "gold" is right; some variants may lack."""

    def right(row, variant):
        return float(row[variant][0] == "gold")

    def change(row, first, second):
        if first not in row or second not in row or row[first][0] is None or row[second][0] is None:
            return None
        return float(row[first][0] != row[second][0])

    def share(variant, is_so):
        return naive_mean([float(is_so(*row[variant])) for row in rows if variant in row])

    result = {}
    for variant in ("real", "blank", "shuffled", "absent", "guess"):
        result[f"flag_rate_{variant}"] = share(variant, lambda value, remark, declines, claims: bool(remark))
        result[f"refusal_rate_{variant}"] = share(variant, lambda value, remark, declines, claims: declines)
        result[f"silent_rate_{variant}"] = share(
            variant, lambda value, remark, declines, claims: value is not None and not remark and not declines
        )
    result["mirage_rate"] = share("absent", lambda value, remark, declines, claims: remark != "missing")
    result["claim_rate_absent"] = share("absent", lambda value, remark, declines, claims: claims)
    with_absent = [row for row in rows if "absent" in row]
    for variant in ("absent", "guess", "question_shuffled", "question_shuffled_absent"):
        result[f"acc_{variant}"] = naive_mean([right(row, variant) for row in rows if variant in row])
    real, absent = (naive_mean([right(row, variant) for row in with_absent]) for variant in ("real", "absent"))
    result["vrs_absent"] = real - absent
    result["mirage_score"] = absent / real if real else math.nan
    result["hvrr_absent"] = naive_mean(
        [float(row["real"][3] and change(row, "real", "absent") == 0) for row in with_absent]
    )
    for name, own, other in (
        ("text_reliance", "real", "question_shuffled"),
        ("text_reliance_absent", "absent", "question_shuffled_absent"),
    ):
        both = [row for row in rows if own in row and other in row]
        result[name] = naive_mean([right(row, own) - right(row, other) for row in both])
    changes = [change(row, "real", "question_shuffled") for row in rows]
    result["text_sensitivity"] = naive_mean([value for value in changes if value is not None])
    for suffix, names in (("", ["paraphrase"]), ("_rotated", ["rotated", "rotated_2"])):
        same, placed = [], []
        for row in rows:
            found = [change(row, "real", name) for name in names if name in row]
            if not found or None in found:
                continue
            same.append(float(sum(found) == 0))
            if change(row, "real", "shuffled") is not None:
                placed.append((sum(found) == 0, change(row, "real", "shuffled") == 1))
        result[f"consistency{suffix}"] = naive_mean(same)
        for quadrant, place in (
            ("consistent_sighted", (True, True)),
            ("consistent_blind", (True, False)),
            ("inconsistent_sighted", (False, True)),
            ("inconsistent_blind", (False, False)),
        ):
            result[f"{quadrant}{suffix}"] = naive_mean([float(found == place) for found in placed])
    rotated = [row for row in rows if "rotated" in row or "rotated_2" in row]
    result["acc_circular"] = naive_mean(
        [float(all(right(row, n) for n in ("real", "rotated", "rotated_2") if n in row)) for row in rotated]
    )
    return result
