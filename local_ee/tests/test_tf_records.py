"""Exports as TFRecord (guides/tfrecord), read by protobuf's own parser and by a checksum computed bit by bit."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterator

import ee
import numpy as np
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from local_ee import tf_record
from local_ee.rest.server import LocalEngine
from local_ee.testing.small import CRS, TRANSFORM, SmallCatalog, catalog, ended, storage_client

pytestmark = pytest.mark.usefixtures("reconnected")

HEIGHT, WIDTH = 100, 130


def crc32c(content: bytes) -> int:
    """Castagnoli's polynomial, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(content: bytes) -> int:
    crc = crc32c(content)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(content: bytes, *, check_content: bool = False) -> Iterator[bytes]:
    """The records of a file; asserts their checksums (those of the contents only where asked: they are slow here)."""
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        assert struct.unpack("<I", content[8:12])[0] == masked(content[:8])
        record = content[12 : 12 + length]
        if check_content:
            assert struct.unpack("<I", content[12 + length : 16 + length])[0] == masked(record)
        yield record
        content = content[16 + length :]


def _message_class():
    """tf.Example as in tensorflow's example.proto and feature.proto."""
    file = descriptor_pb2.FileDescriptorProto(name="example_of_test.proto", package="t", syntax="proto3")

    def message(name: str, *fields: tuple):
        made = file.message_type.add(name=name)
        for number, (field, form, repeated, other) in enumerate(fields, 1):
            made.field.add(name=field, number=number, type=form, label=3 if repeated else 1, type_name=other)
        return made

    message("BytesList", ("value", 12, True, None))
    message("FloatList", ("value", 2, True, None))
    message("Feature", ("bytes_list", 11, False, ".t.BytesList"), ("float_list", 11, False, ".t.FloatList"))
    entry = message("Features", ("feature", 11, True, ".t.Features.FeatureEntry")).nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=9, label=1)
    entry.field.add(name="value", number=2, type=11, label=1, type_name=".t.Feature")
    message("Example", ("features", 11, False, ".t.Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Example"))


EXAMPLE = _message_class()


def parsed(record: bytes) -> dict[str, list]:
    features = EXAMPLE.FromString(record).features.feature
    return {name: list(value.float_list.value or value.bytes_list.value) for name, value in features.items()}


@pytest.fixture(scope="module")
def small() -> SmallCatalog:
    return catalog(HEIGHT, WIDTH)


@pytest.fixture(scope="module")
def engine(small, reconnected, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    with LocalEngine(small, tmp_path_factory.mktemp("records")) as running:
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=running.url)
        ee.data.setMaxRetries(0)
        storage_client(running.url).create_bucket("records")
        yield running
    ee.data.setMaxRetries(5)


@pytest.fixture(scope="module")
def bucket(engine) -> storage.Bucket:
    return storage_client(engine.url).bucket("records")


def exported(bucket: storage.Bucket, prefix: str, image: ee.Image | None = None, **format_options) -> dict[str, bytes]:
    """The files of an export of bands B2 and VV, by the ends of their names."""
    task = ee.batch.Export.image.toCloudStorage(
        image=(image or ee.Image("SMALL/ONE").select(["B2", "VV"]).float()),
        description="x",
        bucket="records",
        fileNamePrefix=prefix,
        crs=CRS,
        crsTransform=list(TRANSFORM)[:6],
        dimensions=f"{WIDTH}x{HEIGHT}",
        fileFormat="TFRecord",
        formatOptions=format_options,
    )
    task.start()
    operation = ended(task.name)
    assert "error" not in operation, operation["error"]
    blobs = bucket.list_blobs(prefix=prefix)
    return {blob.name.removeprefix(prefix): blob.download_as_bytes(raw_download=True) for blob in blobs}


def test_the_checksum_is_that_of_castagnoli():
    assert crc32c(b"123456789") == 0xE3069283
    (record,) = records(tf_record.framed(b"a record"), check_content=True)
    assert record == b"a record"


def test_patches_are_whole_and_in_rows(engine, bucket, small):
    files = exported(bucket, "plain", patchDimensions=[40, 30])
    assert sorted(files) == ["-00000.tfrecord", "-mixer.json"]
    patches = [parsed(record) for record in records(files["-00000.tfrecord"])]
    assert len(patches) == 3 * 3  # 130 // 40 columns, 100 // 30 rows; what is left at the far edges is dropped
    second = np.reshape(patches[1]["VV"], (30, 40))
    assert np.array_equal(second, small.bands["VV"][:30, 40:80])


def test_masked_pixels_have_the_default_value(engine, bucket, small):
    files = exported(bucket, "default", patchDimensions=[130, 100], defaultValue=-7)
    (patch,) = (parsed(record) for record in records(files["-00000.tfrecord"]))
    expected = np.where(small.valid, small.bands["VV"], -7)
    assert np.array_equal(np.reshape(patch["VV"], (HEIGHT, WIDTH)), expected)


def test_margins_overlap_the_neighbours(engine, bucket, small):
    files = exported(bucket, "margin", patchDimensions=[40, 40], kernelSize=[8, 8])
    patches = [parsed(record) for record in records(files["-00000.tfrecord"])]
    last = np.reshape(patches[4]["VV"], (48, 48))  # row 1, column 1
    inside = np.where(small.valid, small.bands["VV"], 0)[36:84, 36:84]
    assert np.array_equal(last, inside)


def test_the_mixer_says_where_the_patches_lie(engine, bucket):
    """Its keys as tools that read it know them: projection, patchDimensions, patchesPerRow, totalPatches."""
    mixer = json.loads(exported(bucket, "mixer", patchDimensions=[40, 30])["-mixer.json"])
    assert mixer == {
        "projection": {"crs": "EPSG:32650", "affine": {"doubleMatrix": [10, 0, 300_000, 0, -10, 3_400_000]}},
        "patchDimensions": [40, 30],
        "patchesPerRow": 3,
        "totalPatches": 9,
    }


def test_files_are_cut_by_their_size(engine, bucket):
    size = 40 * 30 * 2 * 4 * 4 + 2000  # about four records
    files = exported(bucket, "cut", patchDimensions=[40, 30], maxFileSize=size)
    counts = [len(list(records(files[name]))) for name in sorted(files) if "mixer" not in name]
    assert counts == [4, 4, 1]


def test_compressed_files_are_gzip(engine, bucket):
    files = exported(bucket, "gzip", patchDimensions=[130, 100], compressed=True)
    assert len(list(records(gzip.decompress(files["-00000.tfrecord.gz"])))) == 1


def test_patches_with_too_many_masked_pixels_are_dropped_and_there_is_no_mixer(engine, bucket, small):
    files = exported(bucket, "dropped", patchDimensions=[10, 10], maskedThreshold=0)
    whole = small.valid.reshape(10, 10, 13, 10).all(axis=(1, 3)).sum()
    assert sorted(files) == ["-00000.tfrecord"]
    assert len(list(records(files["-00000.tfrecord"]))) == whole


def test_the_default_value_is_within_the_type(engine, bucket, small):
    image = ee.Image("SMALL/ONE").select("B2")
    files = exported(bucket, "typed", image, patchDimensions=[130, 100], defaultValue=-7.6)
    (patch,) = (parsed(record) for record in records(files["-00000.tfrecord"]))
    assert np.reshape(patch["B2"], (HEIGHT, WIDTH))[~small.valid].max() == 0


def test_a_patch_larger_than_the_image_fails_in_words(engine, bucket):
    with pytest.raises(AssertionError, match="fewer than a patch of 500 x 500"):
        exported(bucket, "large", patchDimensions=[500, 500])


def test_sequences_are_refused(engine, bucket):
    with pytest.raises(ee.EEException, match="writes no SequenceExamples"):
        exported(bucket, "sequence", sequenceData=True)


def test_a_table_is_a_record_a_feature(engine, bucket):
    rows = ee.FeatureCollection(
        [
            ee.Feature(ee.Geometry.Point([1, 2]), {"n": 1.5, "a": ee.Array([[1, 2], [3, 4]]), "t": "text"}),
            ee.Feature(None, {"n": 2}),
        ]
    )
    task = ee.batch.Export.table.toCloudStorage(
        collection=rows, description="t", bucket="records", fileNamePrefix="table", fileFormat="TFRecord"
    )
    task.start()
    assert "error" not in ended(task.name)
    content = gzip.decompress(bucket.blob("table.tfrecord.gz").download_as_bytes(raw_download=True))
    first, second = (parsed(record) for record in records(content, check_content=True))
    assert first == {"n": [1.5], "a": [1, 2, 3, 4], "t": [b"text"]}
    assert second == {"n": [2]}


def test_selectors_choose_the_features_of_a_record(engine, bucket):
    rows = ee.FeatureCollection([ee.Feature(None, {"n": 1, "m": 2})])
    task = ee.batch.Export.table.toCloudStorage(
        collection=rows, description="t", bucket="records", fileNamePrefix="few", fileFormat="TFRecord", selectors=["m"]
    )
    task.start()
    ended(task.name)
    content = gzip.decompress(bucket.blob("few.tfrecord.gz").download_as_bytes(raw_download=True))
    assert [parsed(record) for record in records(content)] == [{"m": [2]}]
