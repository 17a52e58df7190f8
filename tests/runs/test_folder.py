import datetime
import json

import numpy as np
import pytest
import torch

from striate.errors import CheckpointError, RequestError, StorageError
from striate.runs import RunFacts, RunFolder, SplitScores, describe_environment


def test_names_tell_date_data_and_network_and_never_clash(tmp_path):
    date = datetime.date.today().isoformat()
    first, second = (
        RunFolder.create(tmp_path, data="/some/where/sign digits/", net="timm/efficientnet_lite0") for _ in range(2)
    )
    assert first.path == tmp_path / f"{date}-sign-digits-efficientnet_lite0"
    assert second.path == tmp_path / f"{date}-sign-digits-efficientnet_lite0-2"
    assert first.path.is_dir()


def test_a_name_that_is_taken_is_refused_and_an_empty_folder_is_not(tmp_path):
    (tmp_path / "mine").mkdir()
    folder = RunFolder.create(tmp_path, "mine")
    folder.write_choices([])
    with pytest.raises(
        RequestError, match=r"mine: this folder holds other files\. Choose a new or empty one with --run"
    ):
        RunFolder.create(tmp_path, "mine")
    (tmp_path / "mine" / "run.json").write_text("{}")
    with pytest.raises(RequestError, match=r"mine: this run exists already\. Choose another name with --run"):
        RunFolder.create(tmp_path, "mine")


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StorageError, match="mine: this cannot be written"):
        RunFolder.create(tmp_path / "runs", "mine")


def test_everything_written_reads_back(finished, filled_recipe, history, data):
    folder = RunFolder.open(finished.folder.path)
    facts = folder.read_facts()
    assert isinstance(facts, RunFacts)
    assert facts.classes == ("circle", "cross")
    assert facts.options.size_hw == (32, 32)
    assert facts.headline == finished.evaluation.headline
    assert folder.read_recipe() == filled_recipe
    assert folder.read_history() == history
    assert folder.read_verdict() == finished.verdict
    assert folder.read_evaluations() == {"test": finished.evaluation}
    assert folder.read_choices()[0]["why"] == "the pictures are small"
    assert folder.read_environment()["device"] == "cpu"
    assert folder.read_splits()["test"] == [sample.name for sample in data["test"]]
    assert folder.read_data()["problems"][0]["kind"] == "truncated"
    assert folder.read_train_targets().tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    scores = folder.read_scores("test")
    assert scores.names == tuple(folder.read_splits()["test"])
    assert scores.scores.shape == (12, 2)
    for name, weight in folder.read_weights("best").items():
        torch.testing.assert_close(weight, finished.network.state_dict()[name], rtol=0, atol=0)


def test_a_new_folder_has_nothing_to_read_but_says_so_gently(tmp_path):
    folder = RunFolder.create(tmp_path, "new")
    assert folder.read_history() == []
    assert folder.read_verdict() is None
    assert folder.read_scores("test") is None
    assert folder.read_evaluations() == {}
    assert folder.read_choices() == []


def test_opening_what_is_not_a_run(tmp_path, finished):
    with pytest.raises(RequestError, match=r"nowhere: there is no run here. Runs here: .*lenet5"):
        RunFolder.open(finished.folder.path.parent / "nowhere")
    with pytest.raises(RequestError, match=r"this is not a run folder: it has no run.json. Runs here: .*lenet5"):
        RunFolder.open(finished.folder.path.parent)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="Give the folder that `striate train` printed"):
        RunFolder.open(tmp_path / "empty")


def test_a_run_of_a_newer_version(finished):
    path = finished.folder.path / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 2}))
    with pytest.raises(
        CheckpointError,
        match=r"run.json: this run was written by a newer Striate \(layout 2, this one knows 1\). Update",
    ):
        RunFolder.open(finished.folder.path)


def test_fields_of_a_later_version_with_the_same_layout_are_left_out(finished):
    path = finished.folder.path / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "colour": "blue"}))
    assert RunFolder.open(finished.folder.path).read_facts().net == "lenet5"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"task": "classification"', '{"options": 3, "classes": []}'])
def test_a_damaged_run_file(finished, content):
    (finished.folder.path / "run.json").write_text(content)
    with pytest.raises(
        CheckpointError, match=r"run\.json: this file is damaged.*weights/best.safetensors can still be given"
    ):
        RunFolder.open(finished.folder.path)


def test_a_line_cut_off_by_a_kill_is_left_out_and_mended(finished, history):
    path = finished.folder.path / "metrics.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert finished.folder.read_history() == history[:-1]
    finished.folder.append_epoch(history[-1])
    assert path.read_bytes() == whole


def test_a_damaged_line_in_the_middle_is_named(finished):
    path = finished.folder.path / "metrics.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "{broken", *lines[2:]]) + "\n")
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl: line 2 is damaged .* Delete that line"):
        finished.folder.read_history()


def test_damaged_weights_name_the_others(finished):
    finished.folder.weights_path("best").write_bytes(b"\x10" * 40)
    with pytest.raises(
        CheckpointError, match=r"best\.safetensors: these weights are damaged .*last\.safetensors may do instead"
    ):
        finished.folder.read_weights("best")
    finished.folder.weights_path("last").unlink()
    with pytest.raises(
        CheckpointError, match=r"last\.safetensors: these weights are missing\. .*best\.safetensors may do"
    ):
        finished.folder.read_weights("last")


@pytest.mark.parametrize("name", ["evaluation.json", "verdict.json"])
def test_a_damaged_measurement_can_be_made_again(finished, name):
    (finished.folder.path / name).write_text('{"test": {"split": "test"}}')
    read = finished.folder.read_evaluations if name == "evaluation.json" else finished.folder.read_verdict
    with pytest.raises(CheckpointError, match=f"{name}: this file is damaged or incomplete .*striate evaluate"):
        read()


def test_damaged_scores_and_recipe(finished):
    finished.folder.scores_path("test").write_bytes(b"PK not a zip")
    with pytest.raises(CheckpointError, match=r"test\.npz: this file is damaged.*Measure again"):
        finished.folder.read_scores("test")
    (finished.folder.path / "recipe.yaml").write_text("nonsense: 3\n")
    with pytest.raises(CheckpointError, match=r"recipe\.yaml: .*Mend the file"):
        finished.folder.read_recipe()


def test_tied_weights_are_kept(tmp_path):
    folder = RunFolder.create(tmp_path, "tied")
    shared = torch.arange(6.0).reshape(2, 3)
    folder.write_weights("best", {"a": shared, "b": shared, "c": shared.T})
    found = folder.read_weights("best")
    assert torch.equal(found["a"], found["b"])
    assert torch.equal(found["c"], shared.T)


def test_scores_must_be_as_many_as_names():
    with pytest.raises(ValueError, match="must be equally many, got 1, 2, 2"):
        SplitScores(("a",), np.zeros((2, 3)), np.zeros(2))


def test_the_environment_names_no_person_and_no_machine():
    import getpass
    import platform

    found = describe_environment()
    assert found["packages"]["torch"]
    text = json.dumps(found).lower()
    assert platform.node().lower() not in text
    assert f'"{getpass.getuser().lower()}"' not in text
