import hashlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.datasets import render_dsprites
from utils.datasets.sources import dsprites_renderer as renderer
from utils.datasets.sources.dsprites import IMAGES, classes_of
from utils.datasets.sources.dsprites_renderer import render

SHAPES = ("square", "ellipse", "heart")
any_classes = st.tuples(*(st.integers(0, size - 1) for size in renderer.FACTOR_SIZES))


def test_official_images_are_drawn_pixel_for_pixel(data_dir):
    official = np.load(data_dir / "dsprites" / "official_frames.npz")
    images = render_dsprites(official["classes"])
    assert len(images) == 129
    assert np.array_equal(images, official["images"])


@pytest.mark.slow
def test_all_images_are_the_same_on_every_machine():
    digest = hashlib.sha256()
    for start in range(0, IMAGES, 1 << 16):
        indices = np.arange(start, min(start + (1 << 16), IMAGES))
        digest.update(renderer.render_packed(classes_of(indices)).tobytes())
    assert digest.hexdigest() == "3a228f4037ef3d42a42588e0e01f1078aa2df13cfa17584e88c95ed9fb5672da"


@pytest.mark.parametrize("shape", range(3), ids=SHAPES)
def test_no_vertex_is_near_a_tie_of_the_rounding_or_leaves_the_frame(shape):
    for positions in renderer.coordinates(shape):
        assert np.abs(positions % 1 - 0.5).min() > 1e-8
        assert positions.min() > 0
        assert positions.max() < renderer.GRID * renderer.SIDE


@pytest.mark.parametrize("shape", range(3), ids=SHAPES)
def test_vertices_do_not_depend_on_the_last_bits_of_the_sine(shape):
    generator = np.random.default_rng(0)
    for positions in renderer.coordinates(shape):
        shaken = positions + generator.uniform(-1e-9, 1e-9, positions.shape)
        assert np.array_equal(np.rint(positions), np.rint(shaken))


def inside(shape, scale, orientation, pos_x, pos_y) -> np.ndarray:
    """One image the slow way: for every centre and edge, which side, by a cross product without division."""
    x_table, y_table = (np.rint(table).astype(np.int64) for table in renderer.coordinates(shape))
    x0, y0 = x_table[scale, orientation, pos_x], y_table[scale, orientation, pos_y]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    centre = 256 * np.arange(64) + 128
    x, y = centre[None, :, None], centre[:, None, None]
    side = (x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)  # sign tells left from right of an edge, by its direction
    downwards = (y0 < y) & (y <= y1) & (side <= 0)
    upwards = (y1 < y) & (y <= y0) & (side >= 0)
    return (downwards | upwards).sum(axis=-1) % 2


@pytest.mark.slow
@given(any_classes)
@settings(max_examples=100, deadline=None)
def test_pixels_are_those_whose_centre_lies_in_the_polygon(classes):
    assert np.array_equal(render([classes])[0], inside(*classes))


def test_centres_on_edges_of_an_upright_square():
    """Where an edge passes through centres: top and right exclude them, bottom and left include them."""
    seen = set()
    x_table, y_table = (np.rint(table).astype(np.int64)[:, 0] for table in renderer.coordinates(0))
    for scale in range(6):
        for position in range(32):
            image = render([[0, scale, 0, position, position]])[0]
            columns, rows = np.flatnonzero(image.any(axis=0)), np.flatnonzero(image.any(axis=1))
            x, y = x_table[scale, position], y_table[scale, position]
            edges = {"left": x.min(), "right": x.max(), "top": y.min(), "bottom": y.max()}
            first_included = {
                "left": 256 * columns[0] + 128 == edges["left"],
                "right": 256 * columns[-1] + 128 == edges["right"],
                "top": 256 * rows[0] + 128 == edges["top"],
                "bottom": 256 * rows[-1] + 128 == edges["bottom"],
            }
            for edge, place in edges.items():
                if place % 256 == 128:
                    seen.add(edge)
                    assert first_included[edge] == (edge in ("left", "bottom"))
    assert seen == {"left", "right", "top", "bottom"}


@given(any_classes)
@settings(max_examples=50, deadline=None)
def test_orientation_39_draws_the_same_picture_as_0(classes):
    shape, scale, _, pos_x, pos_y = classes
    start, turned = render([[shape, scale, 0, pos_x, pos_y], [shape, scale, 39, pos_x, pos_y]])
    assert np.array_equal(start, turned)


@given(any_classes)
@settings(max_examples=50, deadline=None)
def test_area_grows_with_scale_and_fits_the_polygon(classes):
    shape, _, *rest = classes
    areas = render([[shape, scale, *rest] for scale in range(6)]).sum(axis=(1, 2), dtype=int)
    assert (np.diff(areas) > 0).all()
    u, v = renderer._outline(shape)
    polygon = abs(np.sum(u * np.roll(v, -1) - v * np.roll(u, -1))) / 2
    assert areas == pytest.approx(
        polygon * np.linspace(0.5, 1, 6) ** 2, abs=40
    )  # an upright edge moves it by its length


@given(any_classes)
@settings(max_examples=50, deadline=None)
def test_the_last_position_is_the_first_one_moved_by_32_pixels(classes):
    shape, scale, orientation, *_ = classes
    start, right, below = render([[shape, scale, orientation, *place] for place in ((0, 0), (31, 0), (0, 31))])
    assert np.array_equal(right, np.roll(start, 32, axis=1))
    assert np.array_equal(below, np.roll(start, 32, axis=0))


def test_a_step_is_not_a_shift_of_whole_pixels():
    column = render([[1, 5, 7, pos_x, 12] for pos_x in range(32)])
    shifted = [any(np.array_equal(np.roll(a, s, axis=1), b) for s in (1, 2)) for a, b in pairwise(column)]
    assert not all(shifted)


def test_images_do_not_depend_on_their_company(monkeypatch):
    classes = classes_of(np.random.default_rng(0).integers(0, IMAGES, 100))
    together = render(classes)
    monkeypatch.setattr(renderer, "CHUNK", 7)
    assert np.array_equal(render(classes[::-1]), together[::-1])


def test_result_is_bytes_of_zero_and_one():
    images = render([[0, 5, 3, 1, 2], [2, 0, 0, 0, 31]])
    assert images.dtype == np.uint8
    assert images.shape == (2, 64, 64)
    assert set(np.unique(images)) == {0, 1}
    assert render(np.empty((0, 5), dtype=int)).shape == (0, 64, 64)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([[0, 6, 0, 0, 0]], "scale 6 in row 0 is not in 0..5"),
        ([[0, 0, 0, 0, 0], [0, 0, 0, -1, 0]], "posX -1 in row 1 is not in 0..31"),
        ([[3, 0, 0, 0, 0]], "shape 3 in row 0 is not in 0..2"),
        ([[0, 0, 0, 0]], r"shape \(1, 4\); expected integers of shape \(N, 5\)"),
        ([0, 0, 0, 0, 0], r"shape \(5,\); expected integers of shape \(N, 5\)"),
        ([[0.0, 0.0, 0.0, 0.0, 0.0]], "classes are float64"),
    ],
)
def test_classes_out_of_bounds_are_refused(classes, message):
    with pytest.raises(ValueError, match=message):
        render(classes)
