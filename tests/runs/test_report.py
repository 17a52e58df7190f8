import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from striate.evaluation import evaluate
from striate.runs import Run, RunFolder, SplitScores, write_report
from striate.structures import Ragged
from striate.tasks import TASKS
from striate.tasks.detection import EMPTY_FOUND, EMPTY_TRUTH


def text_of(path):
    """The page without the chart library."""
    return re.sub(r"<script>.*?</script>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_answer_comes_first(finished):
    page = text_of(write_report(finished.folder, finished.data))
    assert "Accuracy on 12 test pictures: 83.3 %" in page
    assert "An answer that never looks at the picture would reach 50.0 %." in page
    order = [
        "The answer",
        "How it learned",
        "What is taken for what",
        "Class by class",
        "The worst mistakes",
        "How sure it is",
        "All metrics",
        "The data",
        "What was chosen, and why",
        "Network, machine and time",
    ]
    places = [page.index(f">{title}</h2>") for title in order]
    assert places == sorted(places)
    for sentence in (*finished.verdict.evidence, *finished.verdict.advice):
        assert sentence.split(":")[0].replace("'", "&#39;") in page.replace("&#x27;", "&#39;")


def test_it_is_one_file_that_fetches_nothing(finished):
    page = text_of(write_report(finished.folder, finished.data))
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert "default-src 'none'" in page.replace("&#39;", "'")


def test_mistakes_are_shown_as_pictures(finished):
    page = text_of(write_report(finished.folder, finished.data))
    assert len(re.findall(r"<img[^>]*data:image", page)) == 2
    assert "circle, answered cross" in page
    assert "cross 90.0%, circle 10.0%" in page
    assert "test/circle/0.png" in page


def test_names_with_markup_are_escaped(finished):
    page = text_of(write_report(finished.folder, finished.data))
    assert "train/cross/&lt;9&gt;.png" in page
    assert "<9>" not in page


def test_pictures_are_found_where_they_were(finished):
    page = text_of(write_report(finished.folder))
    assert len(re.findall(r"<img[^>]*data:image", page)) == 2


@pytest.mark.parametrize("how", ["gone", "unreadable"])
def test_pictures_that_cannot_be_read_any_more_are_named(finished, pictures, how):
    if how == "gone":
        shutil.rmtree(pictures)
    else:
        for path in (pictures / "test").rglob("*.png"):
            path.write_bytes(b"")
    page = text_of(write_report(finished.folder, finished.data if how == "unreadable" else None))
    assert "<img" not in page
    assert "These pictures are not at hand any more" in page
    assert "test/circle/0.png" in page


def test_no_mistake(finished):
    scores = finished.folder.read_scores("test")
    perfect = np.where(scores.targets[:, None] == [0, 1], 0.9, 0.1).astype(np.float32)
    finished.folder.write_scores("test", SplitScores(scores.names, perfect, scores.targets))
    page = text_of(write_report(finished.folder))
    assert "There is no mistake." in page
    assert "Every answer on the 12 pictures is right." in page


def test_a_run_that_has_only_begun(finished):
    for name in ("evaluation.json", "verdict.json", "metrics.jsonl", "choices.json", "environment.json", "data.json"):
        (finished.folder.path / name).unlink()
    shutil.rmtree(finished.folder.path / "scores")
    finished.folder.write_facts(finished.folder.read_facts().with_values(status="interrupted", headline=None))
    page = text_of(write_report(finished.folder))
    assert "Nothing was measured yet." in page
    assert "This run is not finished (interrupted)." in page


def test_warnings_stand_with_the_answer(finished):
    finished.folder.write_evaluation(replace(finished.evaluation, warnings=("The test pictures are darker.",)))
    page = text_of(write_report(finished.folder))
    assert page.index("The test pictures are darker.") < page.index(">How it learned</h2>")


def test_many_classes_and_long_names(finished):
    task, classes = TASKS.get("classification"), tuple(f"a rather long name of a class, number {k}" for k in range(70))
    generator = np.random.default_rng(0)
    targets, scores = generator.integers(0, 70, 300), generator.dirichlet(np.ones(70), 300).astype(np.float32)
    folder = finished.folder
    folder.write_facts(folder.read_facts().with_values(classes=classes))
    folder.write_scores("test", SplitScores(tuple(map(str, range(300))), scores, targets))
    folder.write_evaluation(evaluate(task, scores, targets, classes, split="test", train_targets=targets, resamples=50))
    page = text_of(write_report(folder))
    assert "say nothing here" in page
    assert "70: a rather long name of a class, number 0" in page


def test_several_labels(finished):
    task, classes = TASKS.get("multilabel"), ("sun", "sea", "snow")
    generator = np.random.default_rng(0)
    targets = (generator.random((40, 3)) < 0.4).astype(np.uint8)
    scores = np.clip(targets * 0.5 + generator.random((40, 3)) * 0.5, 0, 1).astype(np.float32)
    folder = RunFolder.create(finished.folder.path.parent, "labels")
    folder.write_facts(finished.folder.read_facts().with_values(task="multilabel", classes=classes, data=""))
    folder.write_scores("test", SplitScores(tuple(f"{k}.png" for k in range(40)), scores, targets))
    folder.write_evaluation(evaluate(task, scores, targets, classes, split="test", train_targets=targets, resamples=50))
    page = text_of(write_report(folder))
    assert "Mean average precision on 40 test pictures" in page
    assert "What is taken for what" not in page
    assert "How sure it is" in page


@pytest.fixture
def boxes(finished):
    """The same run, as if it had looked for boxes: a circle in each picture, every other one taken for a cross."""
    task, classes = TASKS.get("detection"), ("circle", "cross")
    box, none = np.array([[4, 4, 16, 18]], np.float32), np.zeros(1, np.bool_)
    names = tuple(sample.name for sample in finished.data["test"])
    true = {"boxes_xyxy": box, "classes": np.array([0]), "iscrowd": none, "ignore": none}
    targets = Ragged.of_rows([true] * len(names), EMPTY_TRUTH)
    said = [
        {"boxes_xyxy": box, "classes": np.array([k % 2]), "scores": np.array([0.9 - 0.01 * k], np.float32)}
        for k in range(len(names))
    ]
    scores = Ragged.of_rows(said, EMPTY_FOUND)
    folder = finished.folder
    folder.write_facts(folder.read_facts().with_values(task="detection", classes=classes))
    folder.write_scores("test", SplitScores(names, scores, targets))
    evaluation = evaluate(task, scores, targets, classes, split="test", train_targets=targets, resamples=20)
    folder.write_evaluation(evaluation)
    return finished


def test_mistakes_of_found_objects_are_told_by_kind_and_shown(boxes):
    page = text_of(write_report(boxes.folder, boxes.data))
    assert ">Mistakes by kind</h2>" in page
    # Six of twelve circles found: precision 1 up to a recall of a half.
    assert "if every found object had its right class, mAP50 would be 100.0 % instead of 50.5 %." in page
    assert "Confused (6)" in page
    assert page.count("circle taken for cross") >= 6
    assert "score 0.89, overlap 100%" in page
    assert ">Precision and recall</h2>" in page
    measured = boxes.folder.read_evaluations()["test"]
    assert [(row["kind"], row["count"]) for row in measured.mistakes if row["count"]] == [("confused", 6)]


def test_mistakes_are_counted_where_their_pictures_are_gone(boxes, pictures):
    shutil.rmtree(pictures)
    page = text_of(write_report(boxes.folder))
    assert ">Mistakes by kind</h2>" in page
    assert "circle taken for cross" not in page


def test_figures_that_are_approximations_are_called_so(finished):
    assert "approximations" not in text_of(write_report(finished.folder))
    finished.folder.write_history([replace(one, exact=False) for one in finished.folder.read_history()])
    assert "They are approximations" in text_of(write_report(finished.folder))


def test_a_run_knows_its_report(finished):
    run = Run.open(finished.folder.path)
    assert run.report == finished.folder.report_path
    assert run.report.is_file()
