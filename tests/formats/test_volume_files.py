"""Which files of a folder are volumes, channels of them and labels, by their names alone."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.formats.volumes.classified import classes_of_folders
from striate.formats.volumes.files import patients_of, sort_volumes
from striate.images.volumes import files_of


def test_patients_in_one_folder_are_not_each_others_channels() -> None:
    found = sort_volumes(["train/a.nii.gz", "train/b.nii.gz", "train/b_seg.nii.gz"])
    assert (found.labels, found.alone) == ({"train/b.nii.gz": "train/b_seg.nii.gz"}, ["train/a.nii.gz"])


def test_words_that_stand_inside_of_names_tell_labels_only_beside_their_scans() -> None:
    assert sort_volumes(["a_label_x.npy", "b_label_x.npy"], stacks=True).labels == {}
    both = sort_volumes(["a_label_x.npy", "a_data_x.npy"], stacks=True)
    assert both.labels == {"a_data_x.npy": "a_label_x.npy"}


_OF_B = ("b/labelsTr/case1", "b/labelsTr/case2")


def test_the_same_names_in_two_folders_are_two_volumes() -> None:
    files = [f"{site}/imagesTr/case{n}_000{c}.nii.gz" for site in ("a", "b") for n in (1, 2) for c in (0, 1)]
    files += [f"{site}/labelsTr/case{n}.nii.gz" for site in ("a", "b") for n in (1, 2)]
    found = sort_volumes(files)
    assert found.channels == ("0000", "0001")
    assert found.labels == {
        f"{site}/imagesTr/case{n}_{{0000,0001}}.nii.gz": f"{site}/labelsTr/case{n}.nii.gz"
        for site in ("a", "b")
        for n in (1, 2)
    }
    # What one lacks costs the other nothing.
    found = sort_volumes([file for file in files if file != "a/imagesTr/case1_0001.nii.gz"])
    assert set(found.labels.values()) == {f"{one}.nii.gz" for one in ("a/labelsTr/case2", *_OF_B)}
    assert (list(found.incomplete), found.orphans) == (["a/imagesTr/case1_0000.nii.gz"], [])
    # Without labels: several volumes of a folder have the same channels.
    found = sort_volumes([f"{kind}/case{n}_000{c}.nii" for kind in ("ill", "well") for n in (1, 2) for c in (0, 1)])
    assert found.alone == [f"{kind}/case{n}_{{0000,0001}}.nii" for kind in ("ill", "well") for n in (1, 2)]


@pytest.mark.parametrize("label", ["labels/a_{:04d}_seg.nii", "labels/a_{:04d}.nii", "images/a_{:04d}_seg.nii"])
def test_numbers_that_labels_have_too_count_volumes(label: str) -> None:
    found = sort_volumes([name.format(n) for n in range(4) for name in ("images/a_{:04d}.nii", label)])
    assert found.labels == {f"images/a_{n:04d}.nii": label.format(n) for n in range(4)}


def test_what_few_volumes_have_is_left_aside() -> None:
    files = [f"images/c{n}_0000.nii" for n in range(8)] + ["images/c0_0001.nii", "images/c1_0001.nii"]
    found = sort_volumes(files + [f"labels/c{n}.nii" for n in range(8)])
    assert len(found.labels) == 8
    assert (found.channels, found.incomplete) == ((), {})
    assert found.others == ["images/c0_0001.nii", "images/c1_0001.nii"]


def test_channels_in_files_of_two_kinds_are_not_put_together() -> None:
    files = [f"images/c{n}_000{c}.nii{'.gz' * c}" for n in range(4) for c in (0, 1)]
    found = sort_volumes(files + [f"labels/c{n}.nii" for n in range(4)])
    assert (len(found.labels), found.channels, len(found.others)) == (4, (), 4)
    (problem,) = found.problems()
    assert "its file ends otherwise" in problem.detail


def test_names_that_differ_in_their_ending_alone_are_reported() -> None:
    found = sort_volumes(["images/p1.nii", "images/p1.nii.gz", "images/p2.nii", "labels/p1.nii", "labels/p2.nii"])
    assert found.labels == {f"images/p{n}.nii": f"labels/p{n}.nii" for n in (1, 2)}
    (problem,) = found.problems()
    assert (problem.kind, problem.path) == ("ambiguous-name", "images/p1.nii.gz")


def test_braces_in_names_of_files_stay() -> None:
    files = [f"{folder}/p{{{n},a}}.nii" for n in range(3) for folder in ("images", "labels")]
    assert sort_volumes(files).labels == {f"images/p{{{n},a}}.nii": f"labels/p{{{n},a}}.nii" for n in range(3)}


def test_folders_of_patients_with_scans_alike_are_no_classes() -> None:
    names = [f"p{n}/p{n}_{word}.nii" for n in range(5) for word in ("t1", "t2", "seg", "brain_mask")]
    assert classes_of_folders(names) == {}
    assert classes_of_folders([f"images/p{n}/{word}.nii" for n in range(5) for word in ("t1", "t2")]) == {}
    # Volumes of classes may be numbered alike.
    assert len(classes_of_folders([f"{kind}/{n}.nii" for kind in "abcde" for n in (1, 2)])) == 10


@pytest.mark.parametrize("place", ["", "train/"])
def test_scans_and_labels_of_all_patients_in_one_folder(place: str) -> None:
    files = [f"{place}P{n}_{word}.nii" for n in range(4) for word in ("t1", "t2", "seg")]
    files += [f"{place}P1_left_{word}.nii" for word in ("t1", "t2", "seg")]
    found = sort_volumes([*files, f"{place}x.nii", f"{place}x_2.nii", f"{place}x_seg.nii"])
    volumes = {f"{place}P{n}": f"{place}P{n}_seg.nii" for n in ("0", "1", "2", "3", "1_left")}
    assert found.labels == {f"{name}_{{t1,t2}}.nii": label for name, label in volumes.items()} | {
        f"{place}x.nii": f"{place}x_seg.nii"
    }
    assert found.alone == [f"{place}x_2.nii"]


def test_patients_are_told_by_folders_of_a_few_volumes() -> None:
    for people in (2, 4):
        few = [f"p{person}/{scan}.nii" for person in range(people) for scan in range(2)]
        assert patients_of(few) == {file: file.partition("/")[0] for file in few}
    # Sites, or a folder for each study.
    assert len(set(patients_of([f"site{site}/images/c{n}.nii" for site in "ab" for n in range(5)]).values())) == 10
    assert len(set(patients_of([f"site{site}/c{n}.nii" for site in "abc" for n in range(40)]).values())) == 120
    assert len(set(patients_of([f"images/p{{{n},a}}.nii" for n in range(3)]).values())) == 3


_NAMES = [
    f"{site}{folder}{stem}{word}.nii"
    for site in ("", "a/", "b/")
    for folder in ("", "images/", "labels/", "p1/")
    for stem in ("p1", "p2")
    for word in ("", "_0000", "_0001", "_t1", "_t2", "_seg")
]


@given(st.lists(st.sampled_from(_NAMES), unique=True, max_size=14))
def test_every_file_is_read_or_reported(files: list[str]) -> None:
    found = sort_volumes(files)
    volumes = [*found.labels, *found.alone]
    read = [path.as_posix() for one in volumes for path in files_of(Path(one))]
    told = [*found.labels.values(), *found.orphans, *found.others, *found.twins, *found.unused, *found.incomplete]
    assert len({*read, *told}) == len(read) + len(told)
    missing = set(files) - {*read, *told}
    # Channels and labels of a volume that is left out go with it.
    stems = [re.sub(r"_(\d{4}|t1|t2)$", "", name.removesuffix(".nii").rpartition("/")[2]) for name in found.incomplete]
    assert all(any(PurePosixPath(name).name.startswith(stem) for stem in stems) for name in missing), missing
