"""The `vrs` command line: `demo` runs both controls on the embedded benchmark, `compare` puts runs side by side."""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from vrs_lmeval.bridge import keep_private
from vrs_lmeval.commands import own_data
from vrs_lmeval.commands.comparison_text import show_comparison, write_file
from vrs_lmeval.commands.doctor import UnreachableServerError, examine, examine_server
from vrs_lmeval.commands.lm_eval_run import RunFailedError, run_lm_eval
from vrs_lmeval.commands.plain_console import make_console
from vrs_lmeval.commands.plan_report import plan
from vrs_lmeval.commands.preview import MissingPreviewDataError, PreviewError, find_named, name_sheets
from vrs_lmeval.commands.preview_sheet import arrange, draw_sheet
from vrs_lmeval.commands.rescore import rescore as rescore_folders
from vrs_lmeval.commands.stop_signals import StoppedError
from vrs_lmeval.commands.study import MissingRayError, StudyStoppedError, UnreadableStudyError
from vrs_lmeval.leaderboard.board import Leaderboard, make_leaderboard
from vrs_lmeval.leaderboard.board_report import (
    make_board_csv,
    make_board_json,
    make_board_markdown,
    make_board_notes,
    make_necessary_table,
    make_task_notes,
    make_task_table,
)
from vrs_lmeval.leaderboard.comparison import IncomparableRunsError
from vrs_lmeval.leaderboard.model_cards import ModelCard, UnreadableCardsError, find_unused, read_model_cards
from vrs_lmeval.leaderboard.runs import UnreadableResultsError, read_folders, read_runs
from vrs_lmeval.page.sample_browser import SHOWN_SAMPLES, choose_samples
from vrs_lmeval.page.thumbnails import LARGEST_BYTES, LIGHT_BYTES, NoPicturesError, Pictures, collect_pictures

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
console = make_console()


def _say_version(asked: bool) -> None:
    if asked:
        console.print(f"vrs_lmeval {version('vrs_lmeval')}, lm_eval {version('lm_eval')}", highlight=False)
        raise typer.Exit


@app.callback()
def vrs(
    asked: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which this is.")
    ] = False,
) -> None:
    """Does a vision-language model look at the image?

    Exit codes: 0 all is well; 1 a run failed, data are missing, or doctor found a problem; 2 nothing was started: the
    command, its files or the installation are to be changed first; 130 or 143 it was stopped by a signal.
    """
    keep_private()


app.command()(own_data.task)  # a user's own table of questions; their options fill a file of their own
app.command()(own_data.run)
app.command()(plan)

CONTROLS = ("sighted", "blind")
DEMO_TASK = "vrs_sample"

NOT_TOLD = (
    "no question can be told to need the image: a model beside each must have been asked without one "
    "(vrs_mirage, or vrs_mirage_text by a model without eyes)"
)


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder for the results and the comparison.")] = Path("vrs-demo"),
) -> None:
    """Run the two shipped controls, one trained with images and one without, through lm_eval, and compare them."""
    runs = []
    for control in CONTROLS:
        model = Path(str(importlib.resources.files("vrs_lmeval") / "controls" / control))
        arguments = ["--model", "vrs-hf", "--model_args", f"pretrained={model}", "--apply_chat_template"]
        arguments += ["--tasks", DEMO_TASK, "--batch_size", "16"]
        try:
            tables = run_lm_eval(arguments, output / control, model.name, console)
        except RunFailedError as error:
            console.print(f"[red]vrs demo:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
            raise typer.Exit(error.code) from error
        except StoppedError as stopped:
            console.print("vrs demo: stopped; the same command begins again")
            raise typer.Exit(stopped.code) from None
        console.print(tables, highlight=False, markup=False, soft_wrap=True)
        runs += read_runs(output / control)
    show_comparison(runs, output, console)


@app.command()
def compare(
    results: Annotated[list[Path], typer.Argument(help="Folders written by lm_eval --output_path --log_samples.")],
    output: Annotated[
        Path | None, typer.Option(help="Folder for the table and the numbers: TASK.md and TASK.json.")
    ] = None,
) -> None:
    """Put runs of several models on the same tasks side by side; the first is the reference."""
    try:
        runs = [run for folder in results for run in read_runs(folder)]
        tasks = [run.task for run in runs]
        if len(results) > 1 and len(set(tasks)) == len(tasks):
            raise IncomparableRunsError(f"no task was run by two models; there are {', '.join(tasks)}")
        show_comparison(runs, output, console)
    except (UnreadableResultsError, IncomparableRunsError) as error:
        console.print(f"[red]vrs compare:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error


@app.command()
def rescore(
    results: Annotated[list[Path], typer.Argument(help="Folders written by lm_eval --output_path --log_samples.")],
    output: Annotated[Path, typer.Option(help="Folder for the results with every answer read again.")],
) -> None:
    """Read old logs with today's parser, without a model: their texts are in the samples files."""
    try:
        done = rescore_folders(results, output)
    except UnreadableResultsError as error:
        console.print(f"[red]vrs rescore:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    for each in done:
        console.print(
            f"{escape(str(each.target))}: {each.task}, {each.changed} of {each.answers} answers are read otherwise "
            f"than by parser version {escape(str(each.parser_version))}",
            highlight=False,
            soft_wrap=True,
        )
    if not done:
        console.print("[red]vrs rescore:[/red] the results hold no vrs_* task", highlight=False)
        raise typer.Exit(2)


@app.command()
def leaderboard(
    results: Annotated[list[Path], typer.Argument(help="Folders written by lm_eval --output_path --log_samples.")],
    models: Annotated[Path | None, typer.Option(help="models.yaml: training data, base, size.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page here.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write all numbers here as JSON.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write a row per task, model and metric here.")] = None,
    md: Annotated[Path | None, typer.Option(help="Write the tables here as Markdown.")] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            help=f"Questions a task in the page's sample browser; without it up to {SHOWN_SAMPLES}, and a light page.",
            min=0,
        ),
    ] = None,
    images: Annotated[
        bool,
        typer.Option(
            "--images", help="Show in that browser what the models saw. The page then holds patients' images."
        ),
    ] = False,
    vision_necessary: Annotated[
        bool,
        typer.Option(
            "--vision-necessary", help="Also each model on the questions that no other model answers without an image."
        ),
    ] = False,
) -> None:
    """Rank models by how much they look at the image, and compare training on synthetic with authentic pairs."""
    try:
        cards = read_model_cards(models) if models is not None else {}
    except UnreadableCardsError as error:
        console.print(f"[red]vrs leaderboard:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    files = {"html": html, "json": json, "csv": csv, "md": md}
    shown = _show_board(results, cards, files, samples, images, vision_necessary)
    if not shown:
        console.print("[red]vrs leaderboard:[/red] no run could be shown; the reasons are above", highlight=False)
        raise typer.Exit(2)


def _print_notes(notes: Sequence[str]) -> None:
    for note in notes:
        console.print(Padding(Text(note), (0, 0, 0, 2), expand=False))


def _show_board(
    folders: Sequence[Path],
    cards: Mapping[str, ModelCard],
    files: Mapping[str, Path | None],
    samples: int | None = None,
    images: bool = False,
    vision_necessary: bool = False,
) -> bool:
    """The leaderboard on the terminal and in `files`; whether any run could be shown."""
    runs, problems = read_folders(folders)
    if unused := find_unused(cards, [run.model for run in runs]):
        names = ", ".join(dict.fromkeys(run.model for run in runs)) or "none"
        console.print(
            f"[yellow]models.yaml:[/yellow] {len(unused)} of {len(cards)} entries fit no run: "
            f"{escape(', '.join(unused))}. The runs are of {escape(names)}",
            highlight=False,
            soft_wrap=True,
        )
    board = make_leaderboard(runs, cards, problems, vision_necessary)
    for task in board.boards:
        console.print()
        console.print(make_task_table(task))
        if (necessary := make_necessary_table(task)) is not None:
            console.print(necessary)
        elif vision_necessary:
            console.print(f"{task.task}: {NOT_TOLD}", highlight=False)
        _print_notes(make_task_notes(task))
    console.print()
    _print_notes(make_board_notes(board))
    makers: dict[str, Callable[[], str]] = {
        "html": lambda: _make_page(board, samples, images),
        "json": lambda: make_board_json(board),
        "csv": lambda: make_board_csv(board),
        "md": lambda: make_board_markdown(board),
    }
    for name, path in files.items():
        if path is not None:
            write_file(path, makers[name](), console)
    return bool(board.boards)


def _make_page(board: Leaderboard, samples: int | None, images: bool) -> str:
    from vrs_lmeval.page.page import make_page  # not at the top: no other command needs jinja2

    return make_page(board, samples, _collect_pictures(board, samples) if images else None)


def _collect_pictures(board: Leaderboard, samples: int | None) -> dict[str, Pictures]:
    """By task; one whose data is not here is told and goes without. Without `samples` all take LIGHT_BYTES together."""
    pictures = {}
    count, largest = (samples, LARGEST_BYTES)
    if count is None:
        count, largest = SHOWN_SAMPLES, LIGHT_BYTES // max(1, len(board.boards))
    for task in board.boards:
        try:
            chosen = [sample.sample_id for sample in choose_samples(task, count)]
            pictures[task.task] = collect_pictures(task, chosen, largest)
        except NoPicturesError as error:
            console.print(f"[yellow]vrs leaderboard:[/yellow] {escape(str(error))}", highlight=False, soft_wrap=True)
            continue
        if left_out := pictures[task.task].left_out:
            reason = f"over {LARGEST_BYTES // 2**20} MB; try fewer --samples"
            if samples is None:
                reason = f"so that the page stays light; --samples {SHOWN_SAMPLES} shows them"
            console.print(f"{task.task}: pictures of {left_out} questions left out, {reason}", soft_wrap=True)
    return pictures


@app.command()
def study(
    plan: Annotated[Path, typer.Argument(help="study.yaml: models, tasks and arguments of lm_eval.")],
    output: Annotated[Path, typer.Option(help="Folder for results, logs and the leaderboard.")] = Path("vrs-study"),
    ray: Annotated[
        bool, typer.Option("--ray", help="On all CPUs and GPUs of this machine, or of the cluster in RAY_ADDRESS.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be run, and start nothing.")] = False,
) -> None:
    """Run a list of models on a list of tasks, go on where an earlier call stopped, and build the leaderboard."""
    from vrs_lmeval.commands.study_call import prepare_study  # torch takes seconds to import

    try:
        with console.status("looking at names, options and data ..."):
            chosen = prepare_study(plan, output, ray)
        if dry_run:
            console.print("\n".join(chosen.describe()), highlight=False, markup=False, soft_wrap=True)
            return
        failed = chosen.run(console)
    except (MissingRayError, UnreadableStudyError) as error:
        console.print(f"[red]vrs study:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    except StudyStoppedError as stopped:
        console.print(f"[red]vrs study:[/red] {escape(str(stopped))}", highlight=False, soft_wrap=True)
        raise typer.Exit(stopped.code) from stopped
    _show_board(
        [output / "runs"], chosen.study.cards, {"html": output / "leaderboard.html", "csv": output / "leaderboard.csv"}
    )
    if failed:
        console.print(
            f"[red]vrs study:[/red] {failed} of {len(chosen.study.runs)} runs failed; "
            "call it again to try them once more"
        )
        raise typer.Exit(1)


@app.command()
def preview(
    task: Annotated[str, typer.Option(help="A task, a group, or a YAML file: vrs_vqa_rad, my_task.yaml.")],
    index: Annotated[int, typer.Option(help="Which of its questions, from 0.", min=0)] = 0,
    output: Annotated[Path, typer.Option(help="The picture to write (PNG).")] = Path("preview.png"),
    include_path: Annotated[list[Path] | None, typer.Option(help="A folder with YAMLs of your own tasks.")] = None,
) -> None:
    """Draw what a model is shown for one question: the image under every variant of the task, one sheet a task."""
    try:
        found = find_named(task, include_path or [])
    except PreviewError as error:
        console.print(f"[red]vrs preview:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    if output.is_dir():
        console.print(
            f"[red]vrs preview:[/red] --output {escape(str(output))} is a folder; name a file", highlight=False
        )
        raise typer.Exit(2)
    codes = []
    for each, path in zip(found, name_sheets([each.name for each in found], output), strict=True):
        try:
            _draw_preview(each.load(), index, path)
        except (PreviewError, IndexError) as error:
            console.print(f"[red]vrs preview:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
            codes.append(1 if isinstance(error, MissingPreviewDataError) else 2)
    if codes:
        raise typer.Exit(max(codes))


def _draw_preview(task: Any, index: int, path: Path) -> None:
    sample, images = task.show_variants(index)
    rows = arrange(images, task.describe_strengths())
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_sheet(sample.question, sample.golds, rows).save(path, format="PNG")
    console.print(f"{sample.question}  (gold: {' | '.join(sample.golds)})", highlight=False, markup=False)
    for name, told in task.describe_prompts(sample).items():
        console.print(f"  {name}: {told}", highlight=False, markup=False)
    console.print(f"wrote {path}", highlight=False)


@app.command("convert-llava")
def convert_llava(
    source: Annotated[
        str, typer.Argument(help="A llava_mistral, llava_qwen2 or llava_llama checkpoint: folder or hub id.")
    ],
    target: Annotated[Path, typer.Argument(help="The folder to write; it must not exist.")],
    vision_tower: Annotated[
        str | None, typer.Option(help="Folder or hub id of the CLIP tower, where SOURCE lacks its weights or settings.")
    ] = None,
    conversation: Annotated[
        str | None,
        typer.Option(
            help="Its prompt: mistral_instruct, huatuo or vicuna_v1, where it is not the usual one of its type."
        ),
    ] = None,
) -> None:
    """Convert LLaVA-Med v1.5 or HuatuoGPT-Vision into a folder that vrs-hf and transformers load."""
    from vrs_lmeval.conversion.convert_llava import convert_llava as convert  # transformers takes seconds to import
    from vrs_lmeval.conversion.llava_layouts import ConversionError

    try:
        made = convert(source, target, vision_tower, conversation, lambda line: console.print(line, highlight=False))
    except ConversionError as error:
        console.print(f"[red]vrs convert-llava:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    console.print(
        f"wrote {made.folder}: {made.tensors} tensors, {made.size / 1e9:.2f} GB; vision tower from "
        f"{made.tower_source}; prompt {made.conversation}; {made.added_rows} rows added for the image mark",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    console.print(
        f"run it: lm_eval run --model vrs-hf --model_args pretrained={made.folder} --apply_chat_template ...",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


@app.command()
def doctor(
    endpoint: Annotated[
        str | None, typer.Option(help="Look at a chat server in its place: its URL, .../v1/chat/completions.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The server's name for the model.")] = None,
    at_once: Annotated[int, typer.Option(help="Requests in flight; as many as a run will have.", min=2)] = 12,
    max_tokens: Annotated[int, typer.Option(help="Room for an answer; a model that thinks needs more.", min=1)] = 256,
) -> None:
    """Say what is installed, what lm_eval sees of it, where data come from, and what to do about problems.

    With --endpoint and --model: whether a chat server answers about the image that it was sent (some 60 small requests;
    the key is read from OPENAI_API_KEY).
    """
    problems = 0
    if model is not None and endpoint is None:
        console.print("[red]vrs doctor:[/red] --model needs --endpoint", highlight=False)
        raise typer.Exit(2)
    with console.status("looking; lm_eval itself is asked last ..." if endpoint is None else "showing it cards ..."):
        try:
            for finding in examine() if endpoint is None else examine_server(endpoint, model, at_once, max_tokens):
                absent = "[yellow]absent[/yellow]" if finding.is_absent else "[red]problem[/red]"
                mark = "[green]fine[/green]" if finding.is_fine else absent
                console.print(f"{mark}  [bold]{finding.subject}[/bold]  {escape(finding.detail)}", highlight=False)
                problems += not (finding.is_fine or finding.is_absent)
                if finding.advice:
                    console.print(f"      what to do: {escape(finding.advice)}", highlight=False)
        except UnreachableServerError as error:
            console.print(f"[red]vrs doctor:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
            raise typer.Exit(2) from error
    if problems:
        raise typer.Exit(1)
