"""A damaged manifest or index is never read as whole."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.datasets import dataset
from isamap.gee_export.datasets.dataset import Dataset
from tests.support import samples

FLIPS = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("digests") / "data"
    dataset.write(folder, samples.head(), samples.samples())
    return folder


def is_refused(folder: Path, name: str, content: bytes) -> bool:
    """Whether opening says in words that the file is damaged; the file is put back."""
    path = folder / name
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        Dataset.open(folder)
    except Fault as error:
        return "export" in str(error)
    else:
        return False
    finally:
        path.write_bytes(before)


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.long
@pytest.mark.parametrize("name", ["manifest.json", "patches.parquet"])
def test_no_flipped_bit_is_read_as_whole(folder, name):
    content = (folder / name).read_bytes()
    bits = random.Random(7).sample(range(8 * len(content)), FLIPS)
    assert [bit for bit in bits if not is_refused(folder, name, flipped(content, bit))] == []


def test_no_flipped_bit_of_the_digests_is_read_as_whole(folder):
    content = (folder / "manifest.json").read_bytes()
    own = 8 * content.index(b'"digests"')
    bits = [*range(own, own + 8 * 12), *random.Random(5).sample(range(own, 8 * len(content)), 150)]
    assert [bit for bit in bits if not is_refused(folder, "manifest.json", flipped(content, bit))] == []


@pytest.mark.parametrize("name", ["manifest.json", "patches.parquet"])
@pytest.mark.parametrize(
    "torn",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: content + b"\n",
        lambda content: bytes(len(content)),
    ],
)
def test_no_torn_file_is_read_as_whole(folder, name, torn):
    assert is_refused(folder, name, torn((folder / name).read_bytes()))


def leaves(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path
    else:
        for key, item in items:
            yield from leaves(item, (*path, key))


@pytest.mark.long
@given(data=st.data())
def test_no_changed_value_is_read_as_whole(folder, data):
    """Scale 0.0001 to 0.0002, statistics, CRS, label product: whatever value is another, in the same layout."""
    document = json.loads((folder / "manifest.json").read_bytes())
    *parents, last = data.draw(st.sampled_from(list(leaves(document))))
    target = document
    for key in parents:
        target = target[key]
    value = data.draw(st.one_of(st.integers(), st.floats(allow_nan=False), st.text(), st.none(), st.booleans()))
    before, target[last] = target[last], value
    content = (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
    assert json.dumps(before) == json.dumps(value) or is_refused(folder, "manifest.json", content)


def test_the_digests_are_sha256_as_anyone_computes_it(folder):
    document = json.loads((folder / "manifest.json").read_bytes())
    own = document["digests"].pop("manifest.json")
    body = (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
    assert own == hashlib.sha256(body).hexdigest()
    assert document["digests"] == {
        "patches.parquet": hashlib.sha256((folder / "patches.parquet").read_bytes()).hexdigest()
    }


def test_the_index_of_another_dataset_is_refused(folder, tmp_path):
    dataset.write(tmp_path, samples.head(), samples.samples(seed=1))
    assert is_refused(folder, "patches.parquet", (tmp_path / "patches.parquet").read_bytes())


def test_no_object_is_no_manifest(folder):
    assert is_refused(folder, "manifest.json", b"[1]")
