"""jitlite: convert, quantize and run TFLite models on small devices."""

__version__ = "0.1.0"
