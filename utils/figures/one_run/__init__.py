"""The pictures of a run: what its model makes of images or vectors, its latent space, its classes, its curves."""

from utils.figures.one_run.drawing import draw_run, run_title
from utils.figures.one_run.frames import draw_frame, join_frames
from utils.figures.one_run.latent import latent_space
from utils.figures.one_run.posteriors import to_numpy

__all__ = ["draw_frame", "draw_run", "join_frames", "latent_space", "run_title", "to_numpy"]
