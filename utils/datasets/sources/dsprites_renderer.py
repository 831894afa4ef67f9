"""Draws dSprites from its factors, pixel for pixel as the official images, the same on every machine.

A picture is the outline of its shape as a polygon, scaled, turned and moved, its vertices rounded to 1/256
pixel; a pixel is set if its centre lies inside. After the rounding all is integer arithmetic. What is rounded
are float64 values, in units of 1/256 pixel, with errors below 1e-9 whatever the machine's sine; no vertex of
any image comes within 1e-8 of half-way between two roundings (a test looks at all of them), so the errors
never show.

Coordinates: x to the right, y down, the centre of the pixel in row r and column c at (c + 1/2, r + 1/2). A
centre exactly on a top or right edge is outside, on a bottom or left edge inside.

References:
    Matthey, Higgins, Hassabis and Lerchner, dSprites: Disentanglement testing Sprites dataset, 2017,
    https://github.com/google-deepmind/dsprites-dataset
"""

from functools import cache

import numpy as np

FACTOR_SIZES = (3, 6, 40, 32, 32)  # shape (square, ellipse, heart), scale, orientation, posX, posY
SIDE = 64
GRID = 256  # positions per pixel to which a vertex is rounded

CHUNK = 2048  # images drawn at once, which bounds the intermediate results to about 20 MB


def render(classes) -> np.ndarray:
    """Images of 0 and 1, uint8 of shape (N, 64, 64).

    Arguments:
        classes: integers (N, 5): shape, scale, orientation, posX, posY, as in the official `latents_classes`
            without colour. Orientation 39 is a full turn and draws the same picture as 0.

    Raises:
        ValueError: another shape or type, or a class out of bounds.
    """
    return np.unpackbits(render_packed(classes), axis=1).reshape(-1, SIDE, SIDE)


def render_packed(classes) -> np.ndarray:
    """The images of `render` as `np.packbits` packs them, row after row: uint8 of shape (N, 512)."""
    classes = _checked(classes)
    images = np.empty((len(classes), SIDE), dtype=">u8")
    for shape in range(FACTOR_SIZES[0]):
        chosen = np.flatnonzero(classes[:, 0] == shape)
        for start in range(0, len(chosen), CHUNK):
            chunk = chosen[start : start + CHUNK]
            images[chunk] = _rows(shape, *classes[chunk, 1:].T)
    return images.view(np.uint8)


def _checked(classes) -> np.ndarray:
    """`classes` as int64, or a ValueError that says what is wrong with them."""
    classes = np.asarray(classes)
    if classes.ndim != 2 or classes.shape[1] != len(FACTOR_SIZES) or classes.dtype.kind not in "iu":
        raise ValueError(f"classes are {classes.dtype} of shape {classes.shape}; expected integers of shape (N, 5)")
    outside = np.argwhere((classes < 0) | (classes >= FACTOR_SIZES))
    if len(outside):
        row, column = outside[0]
        factor = ("shape", "scale", "orientation", "posX", "posY")[column]
        raise ValueError(f"{factor} {classes[row, column]} in row {row} is not in 0..{FACTOR_SIZES[column] - 1}")
    return classes.astype(np.int64)


def _outline(shape: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (u, v) of a shape at scale 1, v downwards, in pixels from the point it turns about."""
    unit = 9.6
    if shape == 0:
        return unit * np.array([-1.0, 1.0, 1.0, -1.0]), unit * np.array([-1.0, -1.0, 1.0, 1.0])
    if shape == 1:
        t = 2 * np.pi * np.arange(100) / 100
        return unit * 1.33 * np.cos(t), unit / 1.33 * np.sin(t)
    t = 2 * np.pi * np.arange(150) / 150
    height = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return unit * np.sin(t) ** 3, -unit * (height / 14.5 + 0.15)


def coordinates(shape: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the vertices (x, y) of a shape lie before they are rounded, in units of 1/256 pixel.

        x = cx + s (u cos θ + v sin θ),   cx = 16 + 32 posX      posX, posY: 32 values from 0 to 1
        y = cy + s (v cos θ - u sin θ),   cy = 16 + 32 posY      s: 6 values from 0.5 to 1; θ: 40 from 0 to 2π

    So x depends on every factor but posY and y on every factor but posX: two float64 arrays of shape
    (scale 6, orientation 40, position 32, vertices). No vertex of any image leaves the frame.
    """
    u, v = _outline(shape)
    scale = np.linspace(0.5, 1, FACTOR_SIZES[1])[:, None, None, None]
    last = FACTOR_SIZES[2] - 1
    theta = (2 * np.pi / last * (np.arange(FACTOR_SIZES[2]) % last))[:, None, None]
    centre = (16 + 32 * np.linspace(0, 1, FACTOR_SIZES[3]))[:, None]
    x = centre + scale * (u * np.cos(theta) + v * np.sin(theta))
    y = centre + scale * (v * np.cos(theta) - u * np.sin(theta))
    return GRID * x, GRID * y


@cache
def _vertices(shape: int) -> tuple[np.ndarray, np.ndarray]:
    """`coordinates`, rounded."""
    x, y = coordinates(shape)
    return np.rint(x).astype(np.int32), np.rint(y).astype(np.int32)


def _rows(shape, scale, orientation, pos_x, pos_y) -> np.ndarray:
    """Pixel rows of n images of one shape: uint64 (n, 64), the leftmost pixel in the highest bit.

    A pixel is inside where an odd number of edges cross its row's line of centres at its own or to the left.
    So each crossing flips every pixel from its column to the right end of the row.
    """
    x, y = (table[scale, orientation, position] for table, position in zip(_vertices(shape), (pos_x, pos_y)))
    # Number of rows whose line y = 256 row + 128 lies at or above a vertex. From vertex to vertex an edge
    # crosses the rows between the two numbers: its lower end counts, its upper end does not, and a horizontal
    # edge crosses none.
    above = (y + GRID // 2) // GRID
    above_next = np.roll(above, -1, axis=1)
    crossed = abs(above_next - above).ravel()
    edge = np.repeat(np.arange(crossed.size), crossed)
    nth = np.arange(edge.size) - np.repeat(np.cumsum(crossed) - crossed, crossed)
    row = np.minimum(above, above_next).ravel()[edge] + nth

    x0, x1, y0, y1 = (
        corner.ravel()[edge].astype(np.int64) for corner in (x, np.roll(x, -1, axis=1), y, np.roll(y, -1, axis=1))
    )
    # The first column whose centre 256 column + 128 is not left of the crossing
    # x0 + (line - y0) (x1 - x0) / (y1 - y0). A quotient rounded up is, in integers, minus the quotient of the
    # opposite rounded down.
    rise = y1 - y0
    line = GRID * row + GRID // 2
    column = -(((GRID // 2 - x0) * rise - (line - y0) * (x1 - x0)) // (GRID * rise))

    from_column = np.append(np.uint64(2**64 - 1) >> np.arange(SIDE, dtype=np.uint64), np.uint64(0))
    images = np.zeros((len(x), SIDE), dtype=np.uint64)
    image = edge // x.shape[1]
    np.bitwise_xor.at(images.reshape(-1), image * SIDE + row, from_column[column])
    return images
