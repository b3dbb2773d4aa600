"""Naive twins of scoring, metrics and intervals: plain loops written from the formulas in docs/metrics.md, no numpy."""

import math

from scipy import stats


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


def naive_named(words, gold_words):
    """The gold's words, one after the other, with no "no" before them since the last "but" or full stop."""
    same = {"two": "2"}
    gold = [same.get(word, word) for word in gold_words if word != "the"]
    said, denied, denies = [], [], False
    for word in words:
        if word in {"but", "."}:
            denies = False
        if word not in {"the", "."}:
            said.append(same.get(word, word))
            denied.append(denies)
        if word == "no":
            denies = True
    return any(said[at : at + len(gold)] == gold and not denied[at] for at in range(len(said) - len(gold) + 1))


def naive_mean(values):
    total, count = 0.0, 0
    for value in values:
        if value is not None:
            total += value
            count += 1
    return total / count if count else math.nan


def naive_clustered_error(values, clusters, weights=None):
    """sqrt(sum over clusters of (sum of residuals)^2 / (1 - share of the weights)) / n; NaN where nothing differs."""
    weights = weights or [1] * len(values)
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
        own = sum(weight for weight, cluster in zip(weights, clusters, strict=True) if cluster == name)
        squares += residual**2 / (1 - own / sum(weights)) if own < sum(weights) else math.inf
    return math.sqrt(squares) / len(values) if 1e-20 < squares < math.inf else math.nan


def naive_freedom(values, clusters):
    """Bell and McCaffrey's, from the covariance of the clusters' scaled residuals if all values were independent.

    With n_g values in cluster g the residual sums have covariances n_g (g = k) - n_g n_k / n; degrees of freedom are
    trace^2 / trace of the square of the scaled matrix. At most 1 + the clusters whose mean is not the most frequent.
    """
    names, n = sorted(set(clusters)), len(values)
    sizes = {name: list(clusters).count(name) for name in names}
    trace = squares = 0.0
    for g in names:
        for k in names:
            covariance = (sizes[g] if g == k else 0) - sizes[g] * sizes[k] / n
            scaled = covariance / math.sqrt((1 - sizes[g] / n) * (1 - sizes[k] / n))
            trace += scaled if g == k else 0
            squares += scaled**2
    return min(trace**2 / squares, 1 + naive_differing(values, clusters))


def naive_least_error(values, clusters):
    """With fewer than 20 clusters that differ: the error of questions of which a cluster counts for three."""
    if naive_differing(values, clusters) >= 20:
        return 0.0
    n, mean = len(values), naive_mean(values)
    share = sum((list(clusters).count(name) / n) ** 2 for name in set(clusters))
    return math.sqrt(sum((value - mean) ** 2 for value in values) / n**2 * max(1.0, n * share / 3))


def naive_differing(values, clusters):
    """How many clusters have another mean than most."""
    means = []
    for name in set(clusters):
        own = [value for value, cluster in zip(values, clusters, strict=True) if cluster == name]
        means.append(round(sum(own) / len(own), 9))
    return len(means) - max(means.count(mean) for mean in means)


def naive_limits(values, clusters, low, high):
    """Wilson's limits where the mean of 0..1 values has this error: the roots of (p - share)^2 = t^2 v p (1 - p)."""
    error = naive_clustered_error(values, clusters)
    if len(set(clusters)) < 2:
        return math.nan, math.nan
    share, width = (naive_mean(values) - low) / (high - low), high - low
    if math.isnan(error):
        missed = 1 - 0.05 ** (1 / len(set(clusters)))
        ends = share * (1 - missed), share + missed * (1 - share)
    else:
        v = (max(error, naive_least_error(values, clusters)) / width) ** 2 / (share * (1 - share))
        t = float(stats.t.ppf(0.975, naive_freedom(values, clusters)))
        a, b, c = 1 + t * t * v, -2 * share - t * t * v, share * share
        ends = tuple((-b + sign * math.sqrt(b * b - 4 * a * c)) / (2 * a) for sign in (-1, 1))
    return low + width * ends[0], low + width * ends[1]


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


def naive_further_metrics(rows):
    """Of rows (image, answer type, {variant: value or None}, (claim, ceiling, majority, question only)).

    "gold" is right; a variant that is missing was not asked.
    """
    right = [{name: float(value == "gold") for name, value in values.items()} for _, _, values, _ in rows]
    claims = [known[0] for *_, known in rows]

    def changes(first, second):
        return [
            None if values[first] is None or values[second] is None else float(values[first] != values[second])
            for _, _, values, _ in rows
        ]

    shuffled, retest, blank = (changes("real", other) for other in ("shuffled", "retest", "blank"))
    draws = [
        naive_mean([row["real"] - row[draw] for row in right]) for draw in ("shuffled", "shuffled_2", "shuffled_3")
    ]
    center = sum(draws) / 3
    hvrr = naive_mean([float(claim == 1 and change == 0) for claim, change in zip(claims, shuffled, strict=True)])
    claim_rate = naive_mean(claims)
    result = {
        "claim_rate": claim_rate,
        "hvrr": hvrr,
        "hvrr_with_blank": naive_mean(
            [float(c == 1 and s == 0 and b == 0) for c, s, b in zip(claims, shuffled, blank, strict=True)]
        ),
        "hvrr_if_independent": claim_rate * (1 - naive_mean(shuffled)),
        "hvrr_if_independent_stderr": naive_product_error(claims, shuffled, [row[0] for row in rows]),
        "invariant_given_claim": hvrr / claim_rate if claim_rate else math.nan,
        "vrs_hard": naive_mean([row["real"] - row["shuffled_hard"] for row in right if "shuffled_hard" in row]),
        "vrs_mean_of_draws": center,
        "vrs_sd_of_draws": math.sqrt(sum((draw - center) ** 2 for draw in draws) / 2),
        "retest_sensitivity": naive_mean(retest),
        "image_sensitivity_above_retest": naive_mean(
            [a - b for a, b in zip(shuffled, retest, strict=True) if a is not None and b is not None]
        ),
        "vrs_ceiling": naive_mean([known[1] for *_, known in rows]),
        "vrs_of_ceiling": naive_ratio(rows),
    }
    for answer_type in ("closed", "open"):
        result[f"vrs_ceiling_{answer_type}"] = naive_mean(
            [known[1] for _, kind, _, known in rows if kind == answer_type]
        )
    for place, name in ((2, "acc_majority"), (3, "acc_question_only")):
        result[name] = naive_mean([known[place] for *_, known in rows])
        for answer_type in ("closed", "open"):
            result[f"{name}_{answer_type}"] = naive_mean([row[3][place] for row in rows if row[1] == answer_type])
    return result


def naive_ratio(rows):
    """VRS over its ceiling, by their means."""
    ceiling = sum(known[1] for *_, known in rows)
    above = sum((v["real"] == "gold") - (v["shuffled"] == "gold") for _, _, v, _ in rows)
    return above / ceiling if ceiling else math.nan


def naive_product_error(claims, changes, images):
    """Of mean(claims) * (1 - mean(changes)): its derivative by each question's values, summed by image, by hand."""
    known = [change for change in changes if change is not None]
    if not known or len(set(images)) < 2:
        return math.nan
    claim, change_rate = sum(claims) / len(claims), sum(known) / len(known)
    sums = {}
    for c, change, image in zip(claims, changes, images, strict=True):
        part = (1 - change_rate) * (c - claim) / len(claims)
        if change is not None:
            part -= claim * (change - change_rate) / len(known)
        sums[image] = sums.get(image, 0.0) + part
    shares = {
        name: sum(c is not None for c, image in zip(changes, images, strict=True) if image == name) / len(known)
        for name in sums
    }
    if max(shares.values()) == 1:
        return math.nan
    squares = sum(value**2 / (1 - shares[name]) for name, value in sums.items())
    return math.sqrt(squares) if squares > 1e-20 else math.nan
