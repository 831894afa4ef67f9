"""Encoders and decoders, one file a family."""
