"""What a saved model makes, for other programs: arrays, tables, pictures, and its decoder as ONNX."""
