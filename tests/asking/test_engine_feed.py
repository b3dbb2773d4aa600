"""How vLLM's engine is fed: never more prompts in it than said, never pausing, and nothing left behind."""

import pytest
from support.engine_stand_in import Engine, output

from vrs_lmeval.asking.engine_feed import EngineFeed, Job, number_of


def echo(prompt, params):
    return output(text=prompt["prompt"])


def make_jobs(count, made=None):
    def make(number):
        if made is not None:
            made.append(number)
        return {"prompt": str(number)}

    return (Job(number, lambda number=number: make(number), None) for number in range(count))


def run(feed, jobs):
    return [(job.name, ended.outputs[0].text) for step in feed.run(jobs) for job, ended in step]


@pytest.mark.parametrize("most", [1, 3, 8, 100])
def test_each_job_comes_back_once_with_its_own_answer(most):
    engine = Engine(echo, running=4)
    came = run(EngineFeed(engine, most), make_jobs(50))
    assert sorted(came) == [(number, str(number)) for number in range(50)]
    assert engine.most == min(most, 50)
    assert engine.waiting == {}
    assert engine.aborted == []


def test_by_default_as_many_wait_as_are_computed_but_no_more_than_256():
    assert EngineFeed(Engine(echo, running=16)).most == 32
    assert EngineFeed(Engine(echo, running=1024)).most == 1280


def test_prompts_are_made_when_their_turn_comes():
    made = []
    steps = EngineFeed(Engine(echo, running=2), 4).run(make_jobs(50, made))
    assert made == []
    ended = len(next(steps))
    assert made == [0, 1, 2, 3]
    for step in steps:
        assert len(made) == min(50, 4 + ended)
        ended += len(step)
    assert ended == 50


def test_the_engine_is_full_until_the_last_prompt_was_given():
    """The harness's class waits for the longest answer of every batch; here the place of each is taken at once."""
    counts = []

    class Counting(Engine):
        def step(self):
            counts.append(len(self.waiting))
            return super().step()

    engine = Counting(echo, running=4)
    run(EngineFeed(engine, 8), make_jobs(60))
    given_all = next(place for place, count in enumerate(counts) if count < 8)
    assert set(counts[:given_all]) == {8}
    assert engine.number == 60
    assert counts[given_all:] == sorted(counts[given_all:], reverse=True)


def test_what_is_put_next_goes_before_the_rest():
    engine = Engine(echo, running=1)
    feed = EngineFeed(engine, 1)
    came = []
    for ((job, _),) in feed.run(make_jobs(4)):
        came.append(job.name)
        if job.name == 1:
            feed.put_next(Job("again", lambda: {"prompt": "1"}, None))
    assert came == [0, 1, "again", 2, 3]


def test_what_is_put_after_the_last_is_asked_too():
    feed = EngineFeed(Engine(echo), 4)
    came = []
    for step in feed.run(make_jobs(1)):
        came += [job.name for job, _ in step]
        if came == [0]:
            feed.put_next(Job("again", lambda: {"prompt": "0"}, None))
    assert came == [0, "again"]


def test_an_error_leaves_nothing_in_the_engine():
    def refuse_seven(prompt, params):
        if prompt["prompt"] == "7":
            raise ValueError("too long")
        return echo(prompt, params)

    engine = Engine(refuse_seven, running=4)
    with pytest.raises(ValueError, match="too long"):
        run(EngineFeed(engine, 100), make_jobs(20))
    assert engine.waiting == {}
    assert len(engine.aborted) == 7


def test_a_reader_that_stops_leaves_nothing_in_the_engine():
    engine = Engine(echo, running=4)
    steps = EngineFeed(engine, 10).run(make_jobs(20))
    ended = len(next(steps))
    steps.close()
    assert engine.waiting == {}
    assert len(engine.aborted) == 10 - ended


@pytest.mark.parametrize("reason", ["abort", "error"])
def test_a_prompt_that_vllm_gave_up_is_no_answer(reason):
    engine = Engine(lambda prompt, params: output(text="lef", ended=reason if prompt["prompt"] == "5" else "length"))
    with pytest.raises(RuntimeError, match=f"finish_reason {reason}"):
        run(EngineFeed(engine, 3), make_jobs(9))
    assert engine.waiting == {}


def test_the_lora_goes_with_every_prompt():
    class Looking(Engine):
        def step(self):
            assert {lora for _, lora in self.waiting.values()} == {"lora"}
            return super().step()

    run(EngineFeed(Looking(echo), 4, "lora"), make_jobs(6))


def test_too_few_prompts_and_too_old_a_vllm_are_errors():
    with pytest.raises(ValueError, match="in_flight: at least 1"):
        EngineFeed(Engine(echo), 0)
    with pytest.raises(ValueError, match=r"no LLM\.enqueue"):
        EngineFeed(object())


def test_vllms_numbers_are_found_in_its_inner_names():
    assert number_of("17-9f3ab0c2") == number_of("17") == "17"
