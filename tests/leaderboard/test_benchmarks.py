"""Which tasks are benchmarks of their own: worked by hand, and properties."""

from hypothesis import given
from hypothesis import strategies as st

from vrs_lmeval.leaderboard.benchmarks import AskedTask, choose_benchmarks, describe_task
from vrs_lmeval.leaderboard.runs import Run, ScoredSample
from vrs_lmeval.run_record import RunEvidence


def test_of_tasks_on_the_same_images_one_counts():
    slake = AskedTask("slake", {"a", "b"}, 3, 10)
    chinese = AskedTask("slake_zh", {"b"}, 3, 9)
    rad = AskedTask("rad", {"c"}, 3, 5)
    assert choose_benchmarks([chinese, rad, slake]) == ("rad", "slake")


def test_most_models_come_before_most_questions_and_these_before_the_order():
    few = AskedTask("few", {"a"}, 2, 99)
    letters = AskedTask("mc", {"a"}, 3, 5)
    text = AskedTask("text", {"a"}, 3, 9)
    assert choose_benchmarks([few, letters, text]) == ("text",)
    assert choose_benchmarks([few, letters]) == ("mc",)
    assert choose_benchmarks([AskedTask("one", {"a"}, 1, 1), AskedTask("two", {"a"}, 1, 1)]) == ("one",)


def test_of_several_images_together_one_alone_may_be_shared():
    def run(task, images):
        samples = (ScoredSample("s", f"{task}-set", "q", ("g",), "open", (), {}, images=images),)
        return Run("model", task, samples, {}, RunEvidence(dataset={}, variants=(), parser_version="1"), {}, None)

    asked = [describe_task([run("one", ("a", "x"))]), describe_task([run("two", ("a", "y"))])]
    assert choose_benchmarks(asked) == ("one",)


def test_sharing_goes_on_through_a_third_task():
    tasks = [AskedTask("left", {"a"}, 1, 1), AskedTask("right", {"b"}, 1, 1), AskedTask("both", {"a", "b"}, 1, 2)]
    assert choose_benchmarks(tasks) == ("both",)


TASKS = st.lists(
    st.builds(
        AskedTask,
        st.uuids().map(str),
        st.frozensets(st.integers(0, 8), min_size=1),
        st.integers(1, 3),
        st.integers(1, 9),
    ),
    max_size=7,
    unique_by=lambda task: task.name,
)


@given(TASKS)
def test_what_is_chosen_shares_no_image_and_each_other_task_is_bound_to_one(tasks):
    chosen = [task for task in tasks if task.name in choose_benchmarks(tasks)]
    for place, task in enumerate(chosen):
        assert all(task.images.isdisjoint(other.images) for other in chosen[:place])
    linked = [set(task.images) for task in chosen]
    for _ in tasks:
        linked = [images.union(*(task.images for task in tasks if images & task.images)) for images in linked]
    assert all(any(task.images <= images for images in linked) for task in tasks)


@given(TASKS)
def test_tasks_without_shared_images_are_all_chosen_in_their_order(tasks):
    apart = [AskedTask(task.name, {(task.name, image) for image in task.images}, task.models, 1) for task in tasks]
    assert choose_benchmarks(apart) == tuple(task.name for task in tasks)
