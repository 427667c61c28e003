"""What a class hands in is found, whoever names it how; what cannot be graded is a reason, never a crash."""

import io
import os
import stat
import struct
import sys
import zipfile
from pathlib import Path

import pytest

from seq2seq_edu.grading import intake
from seq2seq_edu.grading.intake import Problem, Submission, printable, read_notebook, read_submissions

SLUG = "03_attention_weights"
NOTEBOOK = b'{"cells": []}'


def found(folder: Path, **more: Path) -> dict[str, Submission]:
    """Return the submissions of a folder by student."""
    return {submission.student: submission for submission in read_submissions(folder, SLUG, **more)}


def problem(submission: Submission) -> tuple[str, str]:
    """Return status and reason of a submission that cannot be graded."""
    with pytest.raises(Problem) as caught:
        read_notebook(submission, SLUG)
    return caught.value.status, str(caught.value)


def content(submission: Submission) -> bytes:
    """Return the bytes of a submission's notebook."""
    return read_notebook(submission, SLUG)


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def put(folder: Path, name: str, data: bytes = NOTEBOOK) -> Path:
    """Write a file with its folders."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_class_may_hand_in_in_any_of_the_ways(tmp_path: Path) -> None:
    put(tmp_path, f"anna/{SLUG}.ipynb", b"1")
    put(tmp_path, "ben.ipynb", b"2")
    put(tmp_path, f"{SLUG}_carla.ipynb", b"3")
    put(tmp_path, "dora - Attention_Weights.ipynb", b"4")
    put(tmp_path, "emil.zip", zipped({f"homework/{SLUG}.ipynb": b"5", "data.csv": b"x"}))
    put(tmp_path, "fay/work.zip", zipped({"my notebook 3.ipynb": b"6", f"__MACOSX/._{SLUG}.ipynb": b""}))
    put(tmp_path, f"gina/deep/er/{SLUG}.ipynb", b"7")
    put(tmp_path, f"gina/.ipynb_checkpoints/{SLUG}-checkpoint.ipynb", b"old")
    put(tmp_path, "hugo/my attention_weights.IPYNB", b"8")
    put(tmp_path, "hugo/04_context_vector.ipynb", b"other chapter")
    put(tmp_path, ".DS_Store", b"")
    names = ["anna", "ben", "carla", "dora", "emil", "fay", "gina", "hugo"]
    submissions = found(tmp_path)
    assert list(submissions) == names
    assert b"".join(content(submissions[name]) for name in names) == b"12345678"


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse some of these names")
def test_names_are_data(tmp_path: Path) -> None:
    names = ["=cmd|calc", "a\"b'c", "张三", "Anna", "anna", "$(rm -rf x)", "--help", "a;b"]
    names += ["two\nlines", "a\u202eb"]
    for name in names:
        put(tmp_path, f"{name}/{SLUG}.ipynb", name.encode())
    submissions = found(tmp_path)
    shown = {**{name: name for name in names}, "two\nlines": "two\\nlines", "a\u202eb": "a\\u202eb"}
    assert set(submissions) == set(shown.values())
    assert all(content(submissions[shown[name]]) == name.encode() for name in names)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a file name is text")
def test_a_name_that_is_no_text_has_a_row_all_the_same(tmp_path: Path) -> None:
    try:
        os.mkdir(os.fsencode(tmp_path) + b"/caf\xe9")
    except OSError:
        pytest.skip("this file system takes no such name")
    assert list(found(tmp_path)) == ["caf\\udce9"]


def test_one_form_of_unicode_is_one_student(tmp_path: Path) -> None:
    put(tmp_path, f"Jose\u0301/{SLUG}.ipynb")
    put(tmp_path, "list.csv", b"x")
    class_list = put(tmp_path.parent, "class.csv", "student\nJos\u00e9\n".encode())
    assert list(found(tmp_path, class_list=class_list)) == ["Jos\u00e9", "list"]
    assert printable("  张\u3000三 ") == "  张\u3000三 "


@pytest.mark.parametrize(
    ("files", "status", "words"),
    [
        ([f"a/{SLUG} (1).ipynb", f"a/{SLUG} (2).ipynb"], "unreadable", f"{SLUG} (1).ipynb, {SLUG} (2).ipynb"),
        ([f"a/x/{SLUG}.ipynb", f"a/y/{SLUG}.ipynb"], "unreadable", "keep one"),
        (["a/other.ipynb"], "missing", "only other.ipynb"),
        (["a/readme.txt"], "missing", f"there is no {SLUG}.ipynb"),
        (["a/x.zip", "a/y.zip"], "unreadable", "x.zip, y.zip"),
        (["a.rar"], "unreadable", "a.rar is no notebook"),
        (["a.ipynb", f"a/{SLUG}.ipynb"], "unreadable", "handed in more than once, keep one: a, a.ipynb"),
        (["a.zip"], "unreadable", "BadZipFile"),
        ([f"a/{'d/' * 8}{SLUG}.ipynb"], "missing", "there is no"),
    ],
)
def test_what_cannot_be_graded_has_a_reason(
    tmp_path: Path, files: list[str], status: str, words: str
) -> None:
    for name in files:
        put(tmp_path, name)
    told = problem(found(tmp_path)["a"])
    assert told[0] == status and words in told[1]


def test_the_right_name_wins_over_a_copy(tmp_path: Path) -> None:
    put(tmp_path, f"a/{SLUG}-Copy1.ipynb", b"old")
    put(tmp_path, f"a/{SLUG}.ipynb", b"new")
    assert content(found(tmp_path)["a"]) == b"new"


@pytest.mark.skipif(os.name != "posix", reason="links need rights here")
def test_links_are_not_followed(tmp_path: Path) -> None:
    secret = put(tmp_path, f"secret/{SLUG}.ipynb")
    class_folder = tmp_path / "class"
    (class_folder / "in-folder").mkdir(parents=True)
    (class_folder / "in-folder" / f"{SLUG}.ipynb").symlink_to(secret)
    (class_folder / "as-file.ipynb").symlink_to(secret)
    (class_folder / "as-folder").symlink_to(secret.parent)
    os.mkfifo(class_folder / "pipe.ipynb")
    for submission in found(class_folder).values():
        assert problem(submission)[0] == "unreadable", submission


def test_a_class_list_says_who_is_missing_and_who_is_a_stranger(tmp_path: Path) -> None:
    folder = tmp_path / "class"
    put(folder, "anna.ipynb")
    put(folder, "ann.ipynb")
    text = "\ufeffname,student\nAnna A,anna\nBen B, ben \n,\n"
    submissions = found(folder, class_list=put(tmp_path, "class.csv", text.encode()))
    assert list(submissions) == ["ann", "anna", "ben"]
    assert problem(submissions["ben"]) == ("missing", "nothing was handed in")
    assert [s.note for s in submissions.values()] == ["not on the class list", "", ""]


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"name,mark\nx,1\n", "no column student"), ("student\n张三\n".encode("gbk"), "as 'CSV UTF-8'")],
)
def test_a_wrong_class_list_is_refused_with_the_cure(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_submissions(tmp_path, SLUG, put(tmp_path, "class.csv", data))


# Zip files: nothing in them is believed.


def in_zip(tmp_path: Path, data: bytes) -> Submission:
    """Return a submission that is this zip file."""
    put(tmp_path, "class/a.zip", data)
    return found(tmp_path / "class")["a"]


@pytest.mark.parametrize("name", ["../../{}.ipynb", "/tmp/{}.ipynb", "..\\..\\{}.ipynb", "C:\\x\\{}.ipynb"])
def test_no_path_in_a_zip_file_is_written_to(tmp_path: Path, name: str) -> None:
    submission = in_zip(tmp_path, zipped({name.format(SLUG): NOTEBOOK}))
    before = sorted(tmp_path.rglob("*"))
    try:
        assert content(submission) == NOTEBOOK
    except Problem as error:
        assert error.status == "missing"
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path(f"/tmp/{SLUG}.ipynb").exists()


def test_a_link_in_a_zip_file_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        link = zipfile.ZipInfo(f"{SLUG}.ipynb")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert "is a link" in problem(in_zip(tmp_path, file.getvalue()))[1]


def test_a_bomb_is_put_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "LARGEST", 10**5)
    bomb = zipped({f"{SLUG}.ipynb": bytes(10**7)})
    assert len(bomb) < 10**5
    assert "has over" in problem(in_zip(tmp_path, bomb))[1]
    modest = bytearray(bomb)  # it says of itself that it is small
    at = modest.index(b"PK\1\2") + 24
    modest[at : at + 4] = struct.pack("<I", 100)
    assert problem(in_zip(tmp_path, bytes(modest)))[0] == "unreadable"
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):  # these unpack more than they are asked for
        packed = zipped({f"{SLUG}.ipynb": bytes(10**7)}, method)
        assert "unusual way" in problem(in_zip(tmp_path, packed))[1]
    assert "has over" in problem(in_zip(tmp_path, zipped({"x": os.urandom(10**5 + 1)})))[1]


def test_a_zip_of_very_many_files_is_not_even_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submission = in_zip(tmp_path, zipped({f"{i}/{SLUG}.ipynb": b"" for i in range(2001)}))
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("it was opened"))
    assert "over 2000 files" in problem(submission)[1]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("spoil", ["twice", "locked", "cut", "noise"])
def test_a_spoilt_zip_file_is_a_reason(tmp_path: Path, spoil: str) -> None:
    data = bytearray(zipped({f"{SLUG}.ipynb": NOTEBOOK * 100}))
    if spoil == "twice":
        file = io.BytesIO(bytes(data))
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(f"{SLUG}.ipynb", b"other")
        data = bytearray(file.getvalue())
    elif spoil == "locked":
        data[6] |= 1
        data[data.index(b"PK\1\2") + 8] |= 1
    elif spoil == "cut":
        del data[len(data) // 2 :]
    else:
        data[60:70] = b"\xff" * 10
    status, reason = problem(in_zip(tmp_path, bytes(data)))
    assert status == "unreadable" and ("same name" if spoil == "twice" else "cannot be unpacked") in reason
