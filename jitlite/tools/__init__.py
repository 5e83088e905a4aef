"""The command line, and the functions that wire converter, quantization and interpreter together."""
