"""Naive twins of scoring, metrics and intervals: plain loops written from the formulas in docs/metrics.md, no numpy."""

import math


def naive_token_f1(answer_words, gold_words):
    if not answer_words or not gold_words:
        return float(answer_words == gold_words)
    precision = count_common(answer_words, gold_words) / len(answer_words)
    recall = naive_token_recall(answer_words, gold_words)
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def naive_token_recall(answer_words, gold_words):
    if not answer_words or not gold_words:
        return float(answer_words == gold_words)
    return count_common(answer_words, gold_words) / len(gold_words)


def count_common(answer_words, gold_words):
    remaining = list(gold_words)
    common = 0
    for word in answer_words:
        if word in remaining:
            remaining.remove(word)
            common += 1
    return common


def naive_mean(values):
    total, count = 0.0, 0
    for value in values:
        if value is not None:
            total += value
            count += 1
    return total / count if count else math.nan


def naive_clustered_error(values, clusters):
    """sqrt(G/(G-1) * sum over clusters of (sum of residuals)^2) / n."""
    names = sorted(set(clusters))
    if len(names) < 2:
        return math.nan
    mean = naive_mean(values)
    squares = 0.0
    for name in names:
        residual = 0.0
        for value, cluster in zip(values, clusters, strict=True):
            if cluster == name:
                residual += value - mean
        squares += residual**2
    return math.sqrt(len(names) / (len(names) - 1) * squares) / len(values)


def naive_metrics(rows):
    """Every metric of rows (answer type, {variant: (value or None, correct, f1, recall)}) over all questions."""
    real = [variants["real"] for _, variants in rows]
    blank = [variants["blank"] for _, variants in rows]
    shuffled = [variants["shuffled"] for _, variants in rows]
    acc = naive_mean([answer[1] for answer in real])
    acc_blank = naive_mean([answer[1] for answer in blank])
    acc_shuffled = naive_mean([answer[1] for answer in shuffled])
    changed = [
        float(a[0] != b[0]) for a, b in zip(real, shuffled, strict=True) if a[0] is not None and b[0] is not None
    ]
    unparsed = [answer[0] is None for _, variants in rows for answer in variants.values()]
    result = {
        "acc": acc,
        "acc_blank": acc_blank,
        "acc_shuffled": acc_shuffled,
        "vrs": acc - acc_shuffled,
        "image_sensitivity": naive_mean(changed),
        "blank_retention": acc_blank / acc if acc else math.nan,
        "parse_failure_rate": naive_mean([float(failed) for failed in unparsed]),
    }
    for answer_type in ("closed", "open"):
        chosen = [variants for kind, variants in rows if kind == answer_type]
        result[f"acc_{answer_type}"] = naive_mean([variants["real"][1] for variants in chosen])
        result[f"vrs_{answer_type}"] = naive_mean(
            [variants["real"][1] - variants["shuffled"][1] for variants in chosen]
        )
        if answer_type == "open":
            result["f1_open"] = naive_mean([variants["real"][2] for variants in chosen])
            result["recall_open"] = naive_mean([variants["real"][3] for variants in chosen])
    return result
