"""Wide maps in stripes of columns: the same bytes, few columns held at once, interrupted or not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isamap import inference
from isamap.gee_export.base.errors import Fault
from isamap.inference.cutting.cut import Cut, WindowGrid
from isamap.inference.cutting.lattice import Lattice
from isamap.inference.inputs.source import GeoTiffSource
from isamap.inference.map_files.cog import RowsFile
from isamap.inference.mapping import first_pass, job
from tests.inference.conftest import stored_scene, write_tif

SIDE, STRIDE, HEIGHT, WIDTH = 32, 24, 40, 330
SUFFIXES = (".tif", "_prob.tif", ".tif.aux.xml")

lattices = st.one_of(
    st.builds(
        lambda side, share, col: Lattice(side, max(side * share // 4, 1), 0, col),
        st.integers(2, 40),
        st.integers(1, 4),
        st.integers(-99, 99),
    ),
    st.builds(
        lambda halo, middle, col: Lattice(middle + 2 * halo, middle, 0, col, halo=halo),
        st.integers(1, 9),
        st.integers(1, 20),
        st.integers(-99, 99),
    ),
)


@given(lattices, st.integers(1, 900), st.integers(0, 300), st.integers(1, 600))
def test_stripes_cover_each_column_once_and_read_no_more_than_they_may(lattice, width, most_px, first):
    """However wide the map is: the columns that are read at once are what memory grows with."""
    cut = Cut(WindowGrid(9, width, lattice), range(9), range(min(first, width) - 1, width))
    columns = first_pass.stripes(cut, most_px)
    assert [col for cols in columns for col in cols] == list(cut.cols)
    limit = max(most_px, first_pass.LEAST_WINDOWS * lattice.stride + 2 * lattice.side)
    assert all(len(Cut(cut.grid, cut.rows, cols).read_cols) <= limit for cols in columns)


@given(lattices)
def test_a_map_that_may_be_read_at_once_is_one_stripe(lattice):
    cut = Cut.of(WindowGrid(9, 300, lattice))
    assert first_pass.stripes(cut, 300 + 4 * lattice.side) == [cut.cols]


def test_a_raster_of_3000_px_is_one_stripe_and_one_of_30000_px_is_read_by_no_more_columns():
    """Ten bands in blocks of 512 px, as in docs/reference/performance.md, "P1" and "P2"."""
    lattice = Lattice(256, 192)
    most_px = first_pass.stripe_px(lattice, 10, 512)
    cuts = {width: Cut.of(WindowGrid(9, width, lattice)) for width in (3_000, 30_000)}
    assert len(first_pass.stripes(cuts[3_000], most_px)) == 1
    wide = first_pass.stripes(cuts[30_000], most_px)
    assert max(len(Cut(cuts[30_000].grid, range(9), cols).read_cols) for cols in wide) <= most_px < 4_500


@pytest.fixture
def wide_scene(tmp_path):
    return write_tif(tmp_path / "scene.tif", stored_scene(HEIGHT, WIDTH))


@pytest.fixture
def narrow_stripes(monkeypatch):
    """As few columns at once as there may be: four windows."""
    monkeypatch.setattr(first_pass, "HELD_VALUES", 0)


@pytest.fixture(scope="module")
def blended(make_checkpoint):
    """A network whose windows have statistics of their own, so that another window would change its pixels."""
    return make_checkpoint("hrnet", window=SIDE, lattice=STRIDE)


def read_widths(monkeypatch) -> list[int]:
    """The columns of each window that is read from now on."""
    widths, read = [], GeoTiffSource.read
    monkeypatch.setattr(
        GeoTiffSource, "read", lambda source, window: widths.append(window.width) or read(source, window)
    )
    return widths


def mapped(run, scene, out):
    return inference.map_region(run, input=scene, out=out, progress=False)


def same_files(path_a, path_b) -> bool:
    return all(
        path_a.with_name(path_a.stem + end).read_bytes() == path_b.with_name(path_b.stem + end).read_bytes()
        for end in SUFFIXES
    )


@pytest.mark.long
def test_a_map_in_stripes_is_the_map_at_once(blended, wide_scene, tmp_path, monkeypatch):
    """docs/reference/performance.md, "P3": byte for byte, with the windows over each seam computed twice."""
    mapped(blended, wide_scene, tmp_path / "a.tif")
    monkeypatch.setattr(first_pass, "HELD_VALUES", 0)
    widths = read_widths(monkeypatch)
    mapped(blended, wide_scene, tmp_path / "b.tif")
    assert max(widths) <= 4 * STRIDE + 2 * SIDE
    assert same_files(tmp_path / "a.tif", tmp_path / "b.tif")


@pytest.mark.long
def test_windows_with_a_halo_and_ten_times_finer_pixels_in_stripes(make_checkpoint, wide_scene, tmp_path, monkeypatch):
    run = make_checkpoint("jointseg", window=SIDE, lattice=STRIDE)
    mapped(run, wide_scene, tmp_path / "a.tif")
    monkeypatch.setattr(first_pass, "HELD_VALUES", 0)
    mapped(run, wide_scene, tmp_path / "b.tif")
    assert same_files(tmp_path / "a.tif", tmp_path / "b.tif")


@pytest.mark.long
def test_an_interrupted_map_in_stripes_goes_on(blended, wide_scene, tmp_path, monkeypatch, narrow_stripes):
    """The file cannot be read in a later stripe; those before it are kept and not read again."""
    mapped(blended, wide_scene, tmp_path / "a.tif")
    read = GeoTiffSource.read

    def broken(source, window):
        if window.height > 1 and window.col > 150 and window.row == 0:
            raise Fault("the disk is gone")
        return read(source, window)

    monkeypatch.setattr(GeoTiffSource, "read", broken)
    monkeypatch.setattr("isamap.inference.mapping.map.input_warnings", lambda *_: [])
    with pytest.raises(Fault, match="disk is gone"):
        mapped(blended, wide_scene, tmp_path / "b.tif")
    monkeypatch.setattr(GeoTiffSource, "read", read)
    first_cols = []
    monkeypatch.setattr(
        GeoTiffSource, "read", lambda source, window: first_cols.append(window.col) or read(source, window)
    )
    report = mapped(blended, wide_scene, tmp_path / "b.tif")
    assert min(first_cols) > 96 and 0 < report.resumed_rows < HEIGHT
    assert same_files(tmp_path / "a.tif", tmp_path / "b.tif")


@pytest.mark.long
def test_stripes_are_joined_again_where_a_kill_left_half_of_the_rows(
    blended, wide_scene, tmp_path, monkeypatch, narrow_stripes
):
    mapped(blended, wide_scene, tmp_path / "a.tif")
    with monkeypatch.context() as patch:
        patch.setattr(RowsFile, "remove", lambda rows: None)
        patch.setattr(RowsFile, "settle", _no_note_of_whole_rows(RowsFile.settle))
        with pytest.raises(Fault, match="killed"):
            mapped(blended, wide_scene, tmp_path / "b.tif")
    folder = tmp_path / "b.tif.run"
    (folder / job.ROWS).write_bytes((folder / job.ROWS).read_bytes()[: 7 * 2 * WIDTH + 5])
    report = mapped(blended, wide_scene, tmp_path / "b.tif")
    assert report.resumed_rows == HEIGHT
    assert same_files(tmp_path / "a.tif", tmp_path / "b.tif")


def _no_note_of_whole_rows(settle):
    def killed(rows: RowsFile) -> None:
        if rows.path.name == job.ROWS:
            raise Fault("killed")
        settle(rows)

    return killed


@settings(max_examples=10, deadline=None)  # each waits for the disk
@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(1, 40), st.sampled_from([2, 4]))
def test_joined_rows_are_the_stripes_side_by_side(tmp_path_factory, widths, rows, bands):
    folder = tmp_path_factory.mktemp("rows")
    values_NHW = np.random.default_rng(rows).integers(0, 256, (bands, rows, sum(widths)), np.uint8)
    edges = np.cumsum([0, *widths])
    parts = [RowsFile(folder / f"{k}.u8", width, bands) for k, width in enumerate(widths)]
    for piece, first, last in zip(parts, edges, edges[1:], strict=False):
        piece.append(values_NHW[:, :, first:last])
        piece.settle()
    joined = RowsFile(folder / job.ROWS, sum(widths), bands)
    first_pass.join(parts, joined)
    np.testing.assert_array_equal(np.concatenate(list(joined.read()), axis=1), values_NHW)
    assert joined.settled == rows and not any(piece.path.exists() for piece in parts)
