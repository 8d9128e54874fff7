"""TinyHD: a small inflated MobileNetV2 with three decoders."""
