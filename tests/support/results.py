"""Results folders as `lm_eval --output_path --log_samples` writes them, with what a comparison reads."""

import json
import random

from vrs_lmeval.leaderboard.board import make_leaderboard
from vrs_lmeval.leaderboard.runs import read_folders


def write_run(folder, model, rows, time="2026-01-01T00-00-00.000000", task="vrs_test", setup=None, **changes):
    """`rows`: (question, image, gold, correct on real, correct on shuffled). `changes` go into the evidence."""
    folder = folder / model
    folder.mkdir(parents=True, exist_ok=True)
    variants = [{"name": name} for name in ("real", "shuffled")]
    evidence = {"dataset": {"content_sha256": "0"}, "variants": variants, "parser_version": "1"} | changes
    config = {"vrs": evidence, "doc_to_text": "{{question}}", "generation_kwargs": {"max_gen_toks": 32}}
    results = {"model_name": f"some/{model}", "configs": {task: config, "other": {}}, "config": setup or {}}
    (folder / f"results_{time}.json").write_text(json.dumps(results))
    lines = [json.dumps(log_question(*row)) for row in rows]
    (folder / f"samples_{task}_{time}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def log_question(question, image, gold, real, shuffled, text=None):
    """One line of the samples; `text` is what the model answered to the real image."""
    values = {"acc": real, "acc_shuffled": shuffled, "vrs": real - shuffled, "acc_open": None}
    values["vrs_ci95_low"] = [real - shuffled, image]
    texts = {"real": text or (gold if real else "no idea"), "shuffled": gold if shuffled else "no idea"}
    document = {"sample_id": f"{question}-{image}", "image_id": image, "question": question, "golds": [gold]}
    document |= {"answer_type": "closed" if gold in {"yes", "no"} else "open", "options": []}
    document["variants"] = {
        name: {
            "image_id": image,
            "value": value,
            "reason": None,
            "correct": right,
            "token_f1": right,
            "token_recall": right,
        }
        for (name, value), right in zip(texts.items(), (real, shuffled), strict=True)
    }
    logged = {"doc": document, "metrics": [*values, "acc_stderr"], "acc_stderr": [real, image], **values}
    return logged | {"filtered_resps": list(texts.values())}


def draw_rows(right_on_real, right_on_shuffled, images=60, seed=0, data=""):
    """Two questions an image, right with the given probabilities; other `data` has other images."""
    generator = random.Random(seed)
    return [
        (f"q{k}", f"{data}image{i}", "yes" if i % 2 else "no", *(int(generator.random() < p) for p in shares))
        for i in range(images)
        for k in range(2)
        for shares in [(right_on_real, right_on_shuffled)]
    ]


def make_board(folder, cards=None):
    """The leaderboard of all runs below `folder`."""
    runs, problems = read_folders([folder])
    return make_leaderboard(runs, cards or {}, problems)
