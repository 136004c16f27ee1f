"""Hostile and damaged capsules: nothing leaves its folder, nothing grows without bound, nothing false is used."""

from __future__ import annotations

import json
import zipfile

import pytest

from gee_export.base.errors import Fault
from inference.capsule import archive
from inference.capsule.document import Document, digest, digest_of_json
from inference.capsule.replay import replay

pytestmark = pytest.mark.usefixtures("home")


def zipped(path, members) -> object:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/passwd", "checkpoint/../../evil", "geometry/../evil", "geometry/a/b", "weights.pkl", "C:\\evil",
     "", "checkpoint/weights.pt", "geometry/.hidden"],
)  # fmt: skip
def test_names_that_no_capsule_has_are_refused(tmp_path, name):
    path = zipped(tmp_path / "c.zip", [(zipfile.ZipInfo(name or "?"), b"x")])
    with pytest.raises(ValueError, match="which no capsule has"):
        archive.read(path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["c.zip"]


def test_a_file_that_grows_when_read_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "SMALL_BYTES", 1000)
    path = zipped(tmp_path / "c.zip", [("graph.json", b"0" * 1_000_000)])
    assert path.stat().st_size < 5000
    with pytest.raises(ValueError, match="more than 1,000 bytes"):
        archive.read(path)


def test_too_many_files_and_equal_names_are_refused(tmp_path):
    many = [(f"geometry/{number}", b"") for number in range(archive.MOST_FILES + 1)]
    with pytest.raises(ValueError, match="17 files"):
        archive.read(zipped(tmp_path / "many.zip", many))
    with pytest.warns(UserWarning, match="Duplicate"):
        path = zipped(tmp_path / "two.zip", [("graph.json", b"{}"), ("graph.json", b"[]")])
    with pytest.raises(ValueError, match="two of one name"):
        archive.read(path)


def test_links_are_refused(tmp_path):
    entry = zipfile.ZipInfo("graph.json")
    entry.external_attr = 0o120777 << 16
    with pytest.raises(ValueError, match="is a link"):
        archive.read(zipped(tmp_path / "c.zip", [(entry, b"/etc/passwd")]))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "graph.json").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="is a link"):
        archive.read(folder)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"no archive"])
def test_what_is_no_zip_is_said_to_be_damaged(tmp_path, data):
    (tmp_path / "c.zip").write_bytes(data)
    with pytest.raises(Fault, match="copy it again"):
        archive.read(tmp_path / "c.zip")


def test_a_cut_zip_is_said_to_be_damaged(made, tmp_path):
    (tmp_path / "c.zip").write_bytes(made.capsule.read_bytes()[:-200])
    with pytest.raises(Fault, match="damaged"):
        archive.read(tmp_path / "c.zip")


@pytest.mark.parametrize("name", [archive.OPTIONS, *archive.CHECKPOINT])
def test_an_exchanged_file_is_refused(made, tmp_path, name):
    files = archive.read(made.capsule)
    archive.write(tmp_path / "c.zip", files | {name: files[name] + b" "})
    with pytest.raises(Fault, match="differs from its digest"):
        replay(tmp_path / "c.zip", out=tmp_path / "out", catalog=str(made.catalog))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.update(version=99),
        lambda document: document.update(map="../../evil.tif"),
        lambda document: document.update(map="evil.sh"),
        lambda document: document.update(files=[]),
        lambda document: document.update(further=1),
        lambda document: document.update(outputs={"map.tif": 5}),
        lambda document: document.update(scenes={"sentinel2": 5}),
        lambda document: document.pop("tags"),
    ],
)
def test_documents_that_no_capsule_has_are_refused(made, change):
    document = json.loads(archive.read(made.capsule)[archive.DOCUMENT])
    document.pop("digest")
    change(document)
    document["digest"] = digest_of_json(document)
    with pytest.raises(Fault, match="damaged or of another release"):
        Document.decode(json.dumps(document).encode(), "c.zip")


def test_paths_in_a_capsules_options_are_not_followed(made, tmp_path):
    """A capsule that names files of this machine gets none of them."""
    files = archive.read(made.capsule)
    document = json.loads(files[archive.DOCUMENT])
    document.pop("digest")
    files[archive.OPTIONS] += b'geometry = "/etc/hostname"\n'
    document["files"][archive.OPTIONS] = digest(files[archive.OPTIONS])
    document["digest"] = digest_of_json(document)
    files[archive.DOCUMENT] = json.dumps(document).encode()
    archive.write(tmp_path / "c.zip", files)
    assert replay(tmp_path / "c.zip", out=tmp_path / "out", catalog=str(made.catalog)).same


def test_a_folder_and_a_zip_hold_the_same(made, tmp_path):
    files = archive.read(made.capsule)
    archive.write(tmp_path / "folder", files)
    assert archive.read(tmp_path / "folder") == files
