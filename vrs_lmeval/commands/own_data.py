"""`vrs task` and `vrs run`: a table of questions and images -> a task of lm_eval, and the model's verdict."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.markup import escape

from vrs_lmeval.benchmark.dicom import MissingDicomPackageError
from vrs_lmeval.bridge import MODEL_NAME
from vrs_lmeval.commands.comparison_text import show_comparison
from vrs_lmeval.commands.lm_eval_run import LOG, RunFailedError, run_lm_eval
from vrs_lmeval.commands.plain_console import make_console
from vrs_lmeval.commands.preview import PreviewError, load_task
from vrs_lmeval.commands.stop_signals import StoppedError
from vrs_lmeval.commands.stopped_run import tell_what_is_kept
from vrs_lmeval.leaderboard.comparison import IncomparableRunsError
from vrs_lmeval.leaderboard.runs import UnreadableResultsError, read_runs
from vrs_lmeval.own_data.columns import ROLES
from vrs_lmeval.own_data.problems import LISTED, OwnDataError
from vrs_lmeval.own_data.questions import count_types
from vrs_lmeval.own_data.task_folder import OwnTask, read_task, write_task

console = make_console()

NAMED_BY_MODEL = ("vrs-api", "vrs-openai", "local-chat-completions", "openai-chat-completions")
"""Model classes that take `model=` where those that load weights take `pretrained=`."""

TABLES = "lm_eval.txt"

TOLD_WITHOUT_COLUMN = {
    "answer_type": "closed where options, yes or no, or one of 'a or b?' are the answer; else open",
}

Table = Annotated[Path, typer.Argument(help="CSV, TSV, JSON, JSON lines or Excel: a question a row.")]
Images = Annotated[Path | None, typer.Option(help="Where the images lie; without it, the table's folder.")]
ImageColumns = Annotated[
    list[str] | None, typer.Option("--image-column", help="The column of the image; again for a second image.")
]
QuestionColumn = Annotated[str | None, typer.Option(help="The column of the question.")]
AnswerColumn = Annotated[str | None, typer.Option(help="The column of the right answer.")]
OptionColumns = Annotated[
    list[str] | None,
    typer.Option("--options-column", help="The column of all options; or, once for each, the columns of one."),
]
AnswerTypeColumn = Annotated[str | None, typer.Option(help="The column that says open or closed.")]
QuestionTypeColumn = Annotated[str | None, typer.Option(help="The column of the kind of question.")]
ModalityColumn = Annotated[str | None, typer.Option(help="The column of the modality (CT, X-ray ...).")]


def task(
    table: Table,
    images: Images = None,
    name: Annotated[str, typer.Option(help="The task's name for lm_eval.")] = "my_task",
    output: Annotated[Path | None, typer.Option(help="The folder to write; without it, the task's name.")] = None,
    image_columns: ImageColumns = None,
    question_column: QuestionColumn = None,
    answer_column: AnswerColumn = None,
    options_columns: OptionColumns = None,
    answer_type_column: AnswerTypeColumn = None,
    question_type_column: QuestionTypeColumn = None,
    modality_column: ModalityColumn = None,
) -> None:
    """Make a task of lm_eval from a table of questions and a folder of images; show how it was read."""
    named = _name_columns(
        image_columns, question_column, answer_column, options_columns, answer_type_column, question_type_column,
        modality_column,
    )  # fmt: skip
    made = _make_task("task", table, images, name, output or Path(name), named)
    command = f"lm_eval run --tasks {made.name} --include_path {shlex.quote(str(made.folder))} --model {MODEL_NAME}"
    command += " --model_args pretrained=ORG/MODEL --apply_chat_template --log_samples --output_path results"
    _say(f"\nTo ask a model:\n  {command}\n  and to compare what it answered: vrs compare results")


def run(
    table: Table,
    model: Annotated[str, typer.Option(help="The model: a hub id or a folder.")],
    images: Images = None,
    model_class: Annotated[str, typer.Option(help="A model class of lm_eval.")] = MODEL_NAME,
    model_args: Annotated[str, typer.Option(help="Further arguments of the model: dtype=bfloat16,...")] = "",
    mirage: Annotated[bool, typer.Option("--mirage", help="Ask without any image, too.")] = False,
    limit: Annotated[int | None, typer.Option(help="Ask the first questions only.", min=1)] = None,
    batch_size: Annotated[int, typer.Option(help="Prompts that the model reads at once.", min=1)] = 8,
    chat_template: Annotated[bool, typer.Option(help="Ask through the model's chat template.")] = True,
    name: Annotated[str | None, typer.Option(help="The task's name; without it, the table's.")] = None,
    output: Annotated[Path | None, typer.Option(help="The folder to write; without it, vrs-NAME.")] = None,
    image_columns: ImageColumns = None,
    question_column: QuestionColumn = None,
    answer_column: AnswerColumn = None,
    options_columns: OptionColumns = None,
    answer_type_column: AnswerTypeColumn = None,
    question_type_column: QuestionTypeColumn = None,
    modality_column: ModalityColumn = None,
) -> None:
    """Ask a model the questions of a table, with each image and with another one, and say whether it looks."""
    named = _name_columns(
        image_columns, question_column, answer_column, options_columns, answer_type_column, question_type_column,
        modality_column,
    )  # fmt: skip
    name = name or re.sub(r"[^A-Za-z0-9_-]+", "_", table.stem).strip("_-") or "my_task"
    output = output or Path(f"vrs-{name}")
    made = _make_task("run", table, images, name, output / "task", named, lambda: _check_model(model_class, model))
    arguments = ["--model", model_class, "--model_args", _join_arguments(model_class, model, model_args)]
    arguments += ["--apply_chat_template"] if chat_template else []
    arguments += ["--tasks", made.mirage_name if mirage else made.name, "--include_path", str(made.folder)]
    arguments += ["--batch_size", str(batch_size), *(["--limit", str(limit)] if limit else [])]
    shown_model = Path(model).resolve().name if Path(model).is_dir() else model
    results = output / "results" / re.sub(r"[^A-Za-z0-9._-]+", "_", shown_model).strip("_")
    try:
        tables = run_lm_eval(arguments, results, shown_model, console)
        (results / TABLES).write_text(tables, encoding="utf-8")  # of 30 to 100 rows: not for the terminal
        show_comparison(read_runs(results), output, console)
    except (RunFailedError, UnreadableResultsError, IncomparableRunsError) as error:
        _fail("run", error)
    except StoppedError as stopped:
        _say(f"vrs run: stopped; {tell_what_is_kept(arguments, '--model-args')}")
        raise typer.Exit(stopped.code) from None
    _say(
        f"\nquestions as asked: {made.folder}\nanswers and results: {results} ({TABLES}: all metrics; {LOG}: its log)\n"
        f"beside another model: run it with the same --output, then vrs compare {output / 'results'}/*\n"
        f"a page to send on: vrs leaderboard {output / 'results'} --html {output / 'page.html'}"
    )


def _check_model(model_class: str, model: str) -> None:
    """End before anything is written where lm_eval cannot know the class, or a folder holds no model."""
    from vrs_lmeval.commands.study_checks import find_class_fault, find_missing_folder  # torch takes seconds to import

    fault = find_class_fault(model_class)
    if fault is None and model_class not in NAMED_BY_MODEL:
        fault = find_missing_folder(model)
    if fault is not None:
        _say_error("run", f"{fault}. Nothing was written.")
        raise typer.Exit(2)


def _name_columns(*named: str | Sequence[str] | None) -> dict[str, tuple[str, ...]]:
    """By role what the options name, in the order of `ROLES`."""
    return {
        role: (names,) if isinstance(names, str) else tuple(names)
        for role, names in zip(ROLES, named, strict=True)
        if names
    }


def _join_arguments(model_class: str, model: str, further: str) -> str:
    key = "model" if model_class in NAMED_BY_MODEL else "pretrained"
    return ",".join(filter(None, (f"{key}={model}", further)))


def _make_task(
    command: str,
    table: Path,
    images: Path | None,
    name: str,
    folder: Path,
    named: Mapping[str, Sequence[str]],
    check_before_writing: Callable[[], None] = lambda: None,
) -> OwnTask:
    """Read, check and write the task, load it as lm_eval will, and show what was understood."""
    try:
        made = read_task(table, images, name, folder, named)
        _show_columns(made)
        check_before_writing()
        files = write_task(made)
        _show_questions(made)
    except (OwnDataError, MissingDicomPackageError, PreviewError) as error:
        _fail(command, error)
    _say(f"\nwrote {made.folder}: {', '.join(file.name for file in files)}")
    return made


def _show_columns(made: OwnTask) -> None:
    table, columns = made.table, made.columns
    _say(
        f"read {table.path} ({table.form}): {len(table.rows)} rows; {made.questions.images} different images in "
        f"{made.images.folder}"
    )
    for role in ROLES:
        names = ", ".join(columns.of(role)) or "(no column)"
        how = columns.told_by.get(role) or TOLD_WITHOUT_COLUMN.get(role, "")
        _say(f"  {role.replace('_', ' '):14} {names:28} {how}".rstrip())
    if columns.unused:
        _say(f"  {'not used':14} {', '.join(columns.unused)}")


def _show_questions(made: OwnTask) -> None:
    """Counts, what will not count, and the first question as a model will be asked it."""
    questions = made.questions
    counts = ", ".join(f"{count} {kind}" for kind, count in count_types(questions.rows).most_common())
    _say(f"{len(questions.rows)} questions: {counts}")
    for note in questions.notes:
        _say(f"  note: {note}")
    if questions.always_wrong:
        rows = ", ".join(questions.always_wrong[:LISTED])
        _say(f"  note: {len(questions.always_wrong)} answers are always counted as wrong, even word by word: {rows}")
    loaded = _load_quietly(made)
    document = loaded.test_docs()[0]
    sample, _ = loaded.show_variants(0)
    _say("\nThe first question, as it will be asked (the picture stands where <image> does):")
    for line in str(loaded.doc_to_text(document)).splitlines():
        _say(f"  | {line}")
    _say(f"  right answer: {' | '.join(sample.golds)}")


def _load_quietly(made: OwnTask) -> Any:
    """The task as lm_eval loads it; what the loader warns of was said already, by the table's own rows."""
    logger = logging.getLogger("vrs_lmeval.benchmark")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        return load_task(made.name, made.folder)
    finally:
        logger.setLevel(level)


def _fail(command: str, error: Exception) -> NoReturn:
    _say_error(command, str(error))
    raise typer.Exit(error.code if isinstance(error, RunFailedError) else 2) from error


def _say_error(command: str, text: str) -> None:
    console.print(f"[red]vrs {command}:[/red] {escape(text)}", highlight=False, soft_wrap=True)


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
