"""Pictures as their pixels."""

import io

from matplotlib.image import imread


def pixels(figure):
    """What a figure looks like: (height, width, 3) in [0, 1]."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    buffer.seek(0)
    return imread(buffer)[..., :3]
