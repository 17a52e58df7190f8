import json
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from striate.errors import CheckpointError, DataError, PictureError, RequestError
from striate.evaluation import Evaluation
from striate.runs import Run
from striate.runs.overlay import write_marked
from striate.structures import Problem


@pytest.fixture
def run(finished):
    return Run.open(finished.folder.path)


def test_it_tells_what_was_found(run, finished, history):
    assert run.classes == ("circle", "cross")
    assert run.task.name == "classification"
    assert run.verdict == finished.verdict
    assert run.metrics == finished.evaluation
    assert run.history == history
    assert run.recipe.network.name == "lenet5"


def test_the_network_is_the_one_that_was_kept(run, finished):
    pixels = torch.randn(2, 1, 32, 32)
    assert not run.network.training
    with torch.inference_mode():
        assert torch.equal(run.network(pixels), finished.network(pixels))


def test_a_picture_is_shown_to_the_network_as_in_training(run, finished, pictures, filled_recipe):
    from striate.data.framing import Preparation, prepare
    from striate.data.pixels import normalise
    from striate.images import choose_channels, read_picture

    path = pictures / "test" / "cross" / "1.png"
    (found,) = run.predict(path)
    (stored,) = prepare(read_picture(path), Preparation.of(filled_recipe.input, choose_channels(1, ())))
    with torch.inference_mode():
        expected = finished.network(normalise(torch.from_numpy(stored[None]), filled_recipe.input)).softmax(1)[0]
    np.testing.assert_allclose(found.prediction.scores, expected.numpy(), atol=1e-6)
    assert found.size_hw == (24, 20)
    assert found.label == run.classes[int(expected.argmax())]


def test_answers_do_not_depend_on_what_is_asked_beside_it(run, pictures):
    together = {one.path: one for one in run.predict(pictures / "test", batch_size=5)}
    assert len(together) == 12
    for path, answer in together.items():
        (alone,) = run.predict(path)
        np.testing.assert_allclose(alone.prediction.scores, answer.prediction.scores, atol=1e-6)


def test_other_sizes_channels_and_depths_are_answered(run, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 70, 4), dtype=np.uint8)).save(tmp_path / "rgba.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 65535, (9, 9), dtype=np.uint16)).save(tmp_path / "deep.png")
    with pytest.warns(UserWarning, match="the network learned from"):
        found = run.predict([tmp_path / "rgba.png", tmp_path / "deep.png"])
    assert [one.size_hw for one in found] == [(50, 70), (9, 9)]


def test_answers_are_json(run, pictures):
    (found,) = run.predict(pictures / "test" / "cross" / "1.png")
    tree = json.loads(json.dumps(found.as_dict(top=1)))
    assert tree["size_hw"] == [24, 20]
    assert tree["labels"] == [{"class": found.label, "score": found.score}]


def test_unreadable_pictures_are_left_out_and_named(run, pictures):
    (pictures / "test" / "cross" / "1.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"1\.png.*left out"):
        assert len(run.predict(pictures / "test")) == 11
    problems: list[Problem] = []
    assert len(list(run.predict_each(pictures / "test", problems))) == 11
    assert [problem.path.endswith("1.png") for problem in problems] == [True]


def test_one_unreadable_picture_is_an_error(run, tmp_path):
    (tmp_path / "a.png").write_bytes(b"not a picture")
    with pytest.raises(PictureError, match=r"a\.png"):
        run.predict(tmp_path / "a.png")


def test_of_several_unreadable_pictures_each_is_named(run, tmp_path):
    folder = tmp_path / "bad"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(b"not a picture")
    with pytest.warns(UserWarning, match=r"a\.png"), pytest.raises(PictureError, match=r"b\.png"):
        run.predict(folder)


def test_nothing_at_the_path_or_nothing_in_the_folder(run, tmp_path):
    with pytest.raises(RequestError, match=r"gone\.png: there is no such picture or folder"):
        run.predict(tmp_path / "gone.png")
    (tmp_path / "bare").mkdir()
    with pytest.raises(RequestError, match="bare: there is no picture in this folder"):
        run.predict(tmp_path / "bare")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_that_lead_nowhere_are_listed(run, pictures, tmp_path):
    (pictures / "test" / "cross" / "link.png").symlink_to(tmp_path / "gone.png")
    (pictures / "test" / "cross" / "same.png").symlink_to(pictures / "test" / "cross" / "1.png")
    problems: list[Problem] = []
    assert len(list(run.predict_each(pictures / "test", problems))) == 13
    (problem,) = problems
    assert problem.kind == "broken-link"
    assert problem.path == str(pictures / "test" / "cross" / "link.png")
    assert problem.detail == f"this link leads to {tmp_path / 'gone.png'}, where nothing is."
    with pytest.raises(RequestError, match=r"link\.png: this link leads to .*gone\.png, where nothing is"):
        run.predict(pictures / "test" / "cross" / "link.png")


def test_its_own_answers_are_not_pictures_to_ask_about(run, pictures):
    own = pictures / "test" / "answers" / "a.png"
    write_marked(Image.new("RGB", (300, 300)), own)
    problems: list[Problem] = []
    assert len(list(run.predict_each(pictures / "test", problems))) == 12
    (problem,) = problems
    assert problem.path == str(pictures / "test" / "answers")
    assert problem.detail == "a set of 1 picture that `striate predict` drew itself."
    with pytest.warns(UserWarning, match="it has red, green, blue; the network learned from gray"):
        assert len(run.predict(own)) == 1


def test_many_pictures_are_read_as_they_are_needed(run, pictures, monkeypatch):
    monkeypatch.setattr("striate.runs.answering.AT_ONCE", 4)
    asked = []
    paths = sorted((pictures / "test").rglob("*.png"))

    def counted():
        for path in paths:
            asked.append(path)
            yield path

    answers = run.predict_each(counted(), [], batch_size=2)
    next(answers)
    # Two batches are on their way to the network while four pictures are read ahead.
    assert len(asked) <= 2 + 2 + 4
    assert len(list(answers)) == 11


def test_weights_of_another_network(run, finished):
    finished.folder.write_weights("best", {"other.weight": torch.zeros(2)})
    sentence = r"not of the network in run.json \(.* Missing key\(s\) in state_dict: \"c1\.weight\", .*\"\)\. Put"
    with pytest.raises(CheckpointError, match=sentence):
        _ = run.network


def test_a_device_that_is_not_there_is_refused_only_if_asked_for(finished):
    if torch.accelerator.is_available():
        pytest.skip("this machine has an accelerator")
    recipe = finished.folder.read_recipe().with_values({"machine.device": "cuda"})
    finished.folder.write_recipe(recipe)
    assert Run.open(finished.folder.path).device.type == "cpu"
    with pytest.raises(RequestError, match="device: there is no device 'cuda' here"):
        _ = Run.open(finished.folder.path, device="cuda").device


def test_measuring_again_gives_the_figures_of_its_answers(run, finished, data):
    found = run.evaluate()
    assert isinstance(found, Evaluation)
    assert found.split == "test"
    assert found.images == 12
    answers = {one.path: one.label for one in run.predict(finished.data.root / "test")}
    right = [label == path.replace("\\", "/").split("/")[-2] for path, label in answers.items()]
    assert found.headline.value == pytest.approx(np.mean(right))
    assert run.metrics == found
    assert finished.folder.read_scores("test").names == tuple(sample.name for sample in data["test"])


def test_measuring_on_other_data_matches_classes_by_name(run, finished, pictures, tmp_path):
    other = tmp_path / "other"
    for name in ("cross", "circle"):
        shutil.copytree(pictures / "test" / name, other / name)
    before = finished.folder.read_evaluations()
    found = run.evaluate(other)
    assert found.split == "all"
    assert found.images == 12
    assert found.headline.value == run.evaluate(split="test").headline.value
    assert before["test"] == finished.evaluation


def test_other_data_with_one_of_the_classes_only(run, data):
    from dataclasses import replace

    from striate.structures import Label

    crosses = tuple(replace(one, annotation=Label(0)) for one in data["test"] if one.annotation.index == 1)
    other = replace(data, classes=("cross",), splits={"test": crosses}, given=("test",))
    found = run.evaluate(other)
    assert [row["count"] for row in found.per_class] == [0, 6]


def test_other_data_may_be_one_picture(run, pictures, tmp_path):
    (tmp_path / "other" / "cross").mkdir(parents=True)
    shutil.copy(pictures / "test" / "cross" / "1.png", tmp_path / "other" / "cross")
    found = run.evaluate(tmp_path / "other")
    assert (found.split, found.images) == ("all", 1)
    # A split that is asked for has to be made, and then there must be enough.
    with pytest.raises(DataError, match="the only picture is of one class"):
        run.evaluate(tmp_path / "other", split="test")


def test_a_class_that_the_network_does_not_know(run, data):
    from dataclasses import replace

    other = replace(data, classes=("circle", "star"))
    with pytest.raises(DataError, match="class star is unknown to the network, which knows circle and cross"):
        run.evaluate(other)


def test_another_task_or_split_is_refused(run, data):
    from dataclasses import replace

    with pytest.raises(DataError, match="the run is of task classification, this data of task multilabel"):
        run.evaluate(replace(data, task="multilabel"))
    with pytest.raises(RequestError, match="this data has no split 'exam'"):
        run.evaluate(data, split="exam")
    with pytest.raises(RequestError, match=r"the run has no split 'exam'. Splits: train, validation, test"):
        run.evaluate(split="exam")


def test_data_that_is_gone(run, pictures):
    shutil.rmtree(pictures)
    with pytest.raises(DataError):
        run.evaluate()


def test_a_run_that_was_never_measured(run, finished):
    (finished.folder.path / "evaluation.json").unlink()
    with pytest.raises(CheckpointError, match="nothing was measured yet"):
        _ = run.metrics
