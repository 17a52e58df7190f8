import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data import ALL, Dataset, open_by_recipe, open_dataset, open_unsplit
from striate.data.survey import survey_data
from striate.errors import DataError, PictureError, RequestError, UnknownNameError
from striate.images import write_picture
from striate.recipe import Recipe
from striate.structures import Picture, Problem

Folders = Callable[..., Path]


def sizes(data: Dataset) -> dict[str, int]:
    return {name: len(samples) for name, samples in data.splits.items()}


def kinds(data: Dataset) -> list[str]:
    return [problem.kind for problem in data.problems]


def of_kind(data: Dataset, kind: str) -> Problem:
    (problem,) = [problem for problem in data.problems if problem.kind == kind]
    return problem


def test_class_folders_are_split_in_three(class_folders: Folders) -> None:
    data = open_dataset(class_folders({"cat": 20, "dog": 20}))
    assert (data.task, data.format, data.classes, data.given) == ("classification", "folders", ("cat", "dog"), ())
    assert sizes(data) == {"train": 28, "validation": 6, "test": 6}
    assert (data.channels, data.channel_names, data.bit_depth) == (3, ("red", "green", "blue"), 8)
    assert (data.median_size_hw, data.sizes_hw) == ((36, 40), {(36, 40): 40})
    assert data.problems == ()
    assert data.images == 40
    assert data.notes[-1] == "The splits were made (28 train, 6 validation, 6 test): classes keep their shares; seed 0."


def test_shares_and_seed_are_the_users(class_folders: Folders) -> None:
    root = class_folders({"a": 20, "b": 20})
    data = open_dataset(root, validation_share=0.25, test_share=0.0, seed=7)
    assert sizes(data) == {"train": 30, "validation": 10}
    assert data == open_dataset(root, validation_share=0.25, test_share=0.0, seed=7)
    assert data.splits != open_dataset(root, validation_share=0.25, test_share=0.0, seed=8).splits


def test_a_recipe_opens_data_with_its_shares_and_seed(class_folders: Folders) -> None:
    root = class_folders({"a": 20, "b": 20})
    recipe = Recipe().with_values({"validation_share": 0.25, "test_share": 0.0, "seed": 7})
    data = open_by_recipe(root, recipe, task="classification", format="folders")
    assert data == open_dataset(root, validation_share=0.25, test_share=0.0, seed=7)
    assert open_by_recipe(data, Recipe()) is data
    with pytest.raises(DataError, match="multilabel was asked for"):
        open_by_recipe(root, recipe.with_values({"data.task": "multilabel"}))
    assert open_by_recipe(root, recipe.with_values({"data.task": "multilabel"}), task="classification") == data


def test_given_splits_are_kept(class_folders: Folders) -> None:
    counts = {f"{split}/{name}": 4 for split in ("train", "valid", "test") for name in ("a", "b")}
    data = open_dataset(class_folders(counts))
    assert sizes(data) == {"train": 8, "validation": 8, "test": 8}
    assert data.given == ("train", "validation", "test")
    assert all(sample.name.startswith("valid/") for sample in data["validation"])


def test_a_missing_validation_split_is_taken_from_training(class_folders: Folders) -> None:
    data = open_dataset(class_folders({"train/a": 20, "train/b": 20, "test/a": 4, "test/b": 4}))
    assert sizes(data) == {"train": 34, "validation": 6, "test": 8}
    assert data.given == ("train", "test")
    assert all(sample.name.startswith("train/") for sample in data["validation"])
    assert "The validation split was taken out of the training pictures" in data.notes[-1]


def test_a_missing_test_split_is_not_made_but_said(class_folders: Folders) -> None:
    data = open_dataset(class_folders({"train/a": 6, "train/b": 6, "val/a": 3, "val/b": 3}))
    assert sizes(data) == {"train": 12, "validation": 6}
    assert data.given == ("train", "validation")
    assert "a little too good" in of_kind(data, "no-test-split").fix


def test_a_training_split_alone_is_split_in_three(class_folders: Folders) -> None:
    data = open_dataset(class_folders({"train/a": 20, "train/b": 20}))
    assert sizes(data) == {"train": 28, "validation": 6, "test": 6}
    assert data.given == ()


def test_unreadable_pictures_are_left_out_and_listed(class_folders: Folders) -> None:
    root = class_folders({"a": 10, "b": 10})
    (root / "a" / "000.png").write_bytes(b"")
    data = open_dataset(root)
    assert data.images == 19
    problem = of_kind(data, "empty")
    assert (problem.path, problem.severity) == ("a/000.png", "dropped")


def test_duplicates_share_a_split(class_folders: Folders) -> None:
    root = class_folders({"a": 15, "b": 15})
    for path in sorted(root.rglob("*.png")):
        shutil.copy(path, path.with_name(f"copy of {path.name}"))
    data = open_dataset(root)
    home = {sample.name: split for split, samples in data.splits.items() for sample in samples}
    assert len(home) == 60
    assert all(split == home[name.replace("copy of ", "")] for name, split in home.items())
    assert kinds(data) == ["duplicate"] * 30
    assert "duplicates stay together" in data.notes[-1]


def test_leakage_between_given_splits_is_reported(class_folders: Folders) -> None:
    root = class_folders({"train/a": 6, "train/b": 6, "test/a": 3, "test/b": 3})
    shutil.copy(root / "train/a/000.png", root / "test/a/same.png")
    data = open_dataset(root)
    assert len(data["test"]) == 7
    assert of_kind(data, "leakage").path == "test/a/same.png"
    assert "train/a/000.png in train" in of_kind(data, "leakage").detail


def test_conflicting_labels_are_reported(class_folders: Folders) -> None:
    root = class_folders({"a": 6, "b": 6})
    shutil.copy(root / "a/000.png", root / "b/same.png")
    problem = of_kind(open_dataset(root), "conflicting-labels")
    assert (problem.path, problem.detail) == (
        "b/same.png",
        "has the same pixels as a/000.png, but their labels differ.",
    )


def test_training_pictures_decide_which_channels_there_are(class_folders: Folders) -> None:
    root = class_folders({"train/a": 4, "train/b": 4})
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (root / "test" / name).mkdir(parents=True)
        for number in range(6):
            gray = random.integers(0, 60_000, (1, 36, 40), dtype=np.uint16)
            write_picture(Picture(gray, ("gray",)), root / "test" / name / f"{number}.png")
            five = Picture(random.random((5, 9, 9)).astype(np.float32), tuple(f"band {i}" for i in range(5)))
            write_picture(five, root / "test" / name / f"{number}.tif")
    data = open_dataset(root)
    assert (data.channel_names, data.bit_depth) == (("red", "green", "blue"), 8)
    assert {name: len(part) for name, part in data.splits.items()} == {"train": 6, "validation": 2, "test": 12}
    left_out = [problem for problem in data.problems if problem.kind == "channels"]
    assert left_out
    assert all(problem.path.startswith("test/") and "5 channels" in problem.detail for problem in left_out)


def test_mixed_channels_depths_and_sizes_are_said(class_folders: Folders) -> None:
    root = class_folders({"a": 8, "b": 8})
    random = np.random.default_rng(0)
    gray = random.integers(0, 60_000, (1, 50, 20), dtype=np.uint16)
    write_picture(Picture(gray, ("gray",)), root / "a" / "gray.png")
    five = Picture(random.random((5, 9, 9)).astype(np.float32), tuple(f"band {i}" for i in range(5)))
    write_picture(five, root / "b" / "five.tif")
    data = open_dataset(root)
    assert data.images == 17
    assert of_kind(data, "channels").severity == "dropped"
    assert "5 channels (band 0, band 1, band 2, band 3, band 4)" in of_kind(data, "channels").detail
    assert of_kind(data, "mixed-channels").detail == (
        "16 pictures have 3 (red, green, blue) channels; 1 has 1 (gray), for example a/gray.png."
    )
    assert of_kind(data, "mixed-bit-depths").path == "a/gray.png"
    assert of_kind(data, "odd-size").detail == "50 x 20 pixels, where 16 of 17 pictures have 36 x 40."
    assert (data.channels, data.bit_depth) == (3, 8)


def test_many_sizes_are_one_problem(class_folders: Folders) -> None:
    root = class_folders({"a": 2, "b": 2})
    for path, side in zip(sorted(root.rglob("*.png")), (8, 10, 12, 14), strict=True):
        with Image.open(path) as image:
            image.resize((side, side + 1)).save(path)
    assert of_kind(open_dataset(root), "mixed-sizes").detail.startswith("4 sizes, from 9 x 8 to 15 x 14 pixels")


def test_rare_classes_and_imbalance_are_said(class_folders: Folders) -> None:
    data = open_dataset(class_folders({"many": 30, "few": 1}))
    assert "class 'few' has a single training picture" in of_kind(data, "rare-class").detail
    assert of_kind(data, "imbalance").detail == "21 training pictures of 'many', but 1 of 'few'."


def test_a_shift_between_given_splits_is_said(class_folders: Folders) -> None:
    root = class_folders({"train/a": 30, "train/b": 30, "test/a": 20, "test/b": 20}, channels=1)
    for path in (root / "test").rglob("*.png"):
        with Image.open(path) as image:
            image.point(lambda value: value // 3).save(path)
    problem = of_kind(open_dataset(root), "split-shift")
    assert problem.path == "test"
    assert "test pictures look otherwise than training pictures" in problem.detail


def test_other_channels_in_a_given_split_are_said(class_folders: Folders) -> None:
    root = class_folders({"train/a": 6, "train/b": 6, "test/a": 3, "test/b": 3}, channels=1)
    for path in (root / "test").rglob("*.png"):
        with Image.open(path) as image:
            image.convert("RGB").save(path)
    problems = [problem for problem in open_dataset(root).problems if problem.kind == "split-shift"]
    assert [(problem.path, problem.detail) for problem in problems[:1]] == [
        (
            "test",
            "most test pictures have 3 channels (red, green, blue) of 8 bit, most training pictures 1 channel (gray) "
            "of 8 bit.",
        )
    ]


def test_progress_counts_to_the_end(class_folders: Folders) -> None:
    seen: list[tuple[int, int]] = []
    open_dataset(class_folders({"a": 5, "b": 5}), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (10, 10)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_facts_lie_beside_their_pictures(class_folders: Folders) -> None:
    survey = survey_data(class_folders({"a": 9, "b": 9}))
    for split, samples in survey.dataset.splits.items():
        assert [fact.name for fact in survey.facts[split]] == [sample.name for sample in samples]


def refused(kind: type[Exception], *args: object, **options: object) -> str:
    with pytest.raises(kind) as caught:
        open_dataset(*args, **options)
    return str(caught.value)


def test_a_missing_path_offers_similar_names(class_folders: Folders, tmp_path: Path) -> None:
    class_folders({"a": 2, "b": 2}, name="holiday_photos")
    text = refused(DataError, tmp_path / "holiday_foto" / "train")
    assert "holiday_foto is not in it. Did you mean holiday_photos?" in text
    assert f"{tmp_path} exists" in text
    assert "Check the path." in refused(DataError, tmp_path / "zzz")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert "the folder is empty" in refused(DataError, tmp_path)


def test_one_class_is_refused(class_folders: Folders) -> None:
    text = refused(DataError, class_folders({"cat": 5}))
    assert "all 5 pictures are of one class, 'cat'; a classifier needs at least two." in text
    assert "Add pictures of another class" in text


def test_pictures_to_measure_on_may_be_few_and_of_one_class(class_folders: Folders) -> None:
    root = class_folders({"cat": 1})
    data = open_unsplit(root)
    assert (data.classes, data.given) == (("cat",), ())
    assert {name: len(part) for name, part in data.splits.items()} == {ALL: 1}
    assert not data.problems


def test_given_splits_are_kept_where_nothing_is_to_be_learned(class_folders: Folders) -> None:
    root = class_folders({"train/a": 2, "train/b": 1, "test/a": 1}, name="parts")
    data = open_unsplit(root)
    assert {name: len(part) for name, part in data.splits.items()} == {"train": 3, "test": 1}
    assert data.given == ("train", "test")
    # What cannot be read is left out and told all the same.
    (root / "train" / "b" / "000.png").write_bytes(b"")
    data = open_unsplit(root)
    assert len(data.splits["train"]) == 2
    assert [problem.path for problem in data.problems] == ["train/b/000.png"]


def test_a_class_without_a_readable_picture_is_refused(class_folders: Folders) -> None:
    root = class_folders({"a": 10, "b": 2})
    for path in (root / "b").iterdir():
        path.write_bytes(path.read_bytes()[:60])
    text = refused(DataError, root)
    assert "no picture of class 'b' can be used (2 tried); for example b/000.png: the file ends before" in text
    assert "Or remove the class." in text


def test_a_set_that_is_mostly_unreadable_is_refused(class_folders: Folders) -> None:
    root = class_folders({"a": 5, "b": 5})
    for path in sorted(root.rglob("*.png"))[2:]:
        path.write_text("<html>404</html>")
    text = refused(DataError, root)
    assert "8 of 10 pictures cannot be read (8 not-a-picture), so the whole set is suspect" in text
    assert "the download probably failed" in text


def test_line_endings_that_were_converted_are_named(class_folders: Folders) -> None:
    root = class_folders({"a": 5, "b": 5})
    for path in root.rglob("*.png"):
        path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))
    text = refused(DataError, root)
    assert "a conversion of line endings went over them" in text
    assert "binary mode" in text


def test_single_pictures_are_too_few(class_folders: Folders) -> None:
    text = refused(DataError, class_folders({"a": 1, "b": 1, "c": 1}))
    assert "no class has more than one picture (3 pictures, 3 classes)" in text


def test_pictures_that_all_belong_together_cannot_be_split(class_folders: Folders) -> None:
    root = class_folders({"a": 1, "b": 1})
    for folder in ("a", "b"):
        for number in range(3):
            shutil.copy(root / folder / "000.png", root / folder / f"copy{number}.png")
    text = refused(DataError, root)
    assert "no picture is left for validation" in text
    assert "duplicates of each other" in text


def test_a_class_of_the_test_split_that_is_never_trained_is_refused(class_folders: Folders) -> None:
    counts = {"train/a": 4, "train/b": 4, "test/a": 2, "test/b": 2, "test/C": 3}
    text = refused(DataError, class_folders(counts))
    assert "3 pictures of the test split show 'C', which never occurs in the training split" in text
    assert "Add training pictures of this class" in text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"validation_share": 0.0}, "validation_share: must be a number from above 0 to 0.5, got 0.0."),
        ({"validation_share": -1}, "got -1"),
        ({"test_share": 0.9}, "test_share: must be a number from 0 to 0.5, got 0.9."),
    ],
)
def test_shares_out_of_range_are_refused(options: dict[str, float], text: str, class_folders: Folders) -> None:
    assert text in refused(RequestError, class_folders({"a": 2, "b": 2}), **options)


def test_unknown_tasks_and_formats_are_refused(class_folders: Folders) -> None:
    root = class_folders({"a": 4, "b": 4})
    assert "Known: classification, detection, " in refused(UnknownNameError, root, task="clasification")
    assert "no format named 'folder'. Nearest: folders" in refused(UnknownNameError, root, format="folder")
    text = refused(DataError, root, task="multilabel")
    assert "the task multilabel was asked for, but the annotation here (folders) is for classification." in text


def test_samples_can_be_read(class_folders: Folders) -> None:
    data = open_dataset(class_folders({"a": 3, "b": 3}))
    assert all(sample.read().size_hw == (36, 40) for samples in data.splits.values() for sample in samples)
    first = data["train"][0]
    pixels = first.read().pixels
    first.source.path.unlink()
    # Small pictures stay in memory once they were read; others are read when asked for.
    assert (first.read().pixels == pixels).all()
    with pytest.raises(PictureError, match="there is no such file"):
        replace(first.source, kept=None).read()
