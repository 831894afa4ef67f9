"""Encoders and decoders: a registry of families, one file each.

To add one, put a file beside these with a class under `@NETWORKS.register("name")`: every file here is imported.
"""

from vae.models.networks.base import NETWORKS, Decoder, Encoder, Network, build_network, check_shape, usual_network
from vae.registry import import_files

import_files(__name__)

__all__ = ["NETWORKS", "Decoder", "Encoder", "Network", "build_network", "check_shape", "usual_network"]
