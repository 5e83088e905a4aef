"""Fourier transforms, complex numbers and what is made of them."""

from types import SimpleNamespace
from typing import Any

from tests.grid.table import Feed, Graph, family, grid


@family("rfft", grid(shape=[(8,), (3, 8), (2, 3, 16)], length=[None, [4], [8], [16]]), take=6)
def _rfft(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.signal.rfft(x, p.length), [Feed(p.shape)])


@family(
    "rfft2d",
    grid(shape=[(8, 8), (3, 8, 8), (3, 1, 16), (2, 3, 4, 8)], length=[None, (4, 4), (4, 8), (8, 4), (8, 8), (8, 16), (16, 8)]),
    take=14,
)
def _rfft2d(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.signal.rfft2d(x, p.length), [Feed(p.shape)])


@family("irfft2d", grid(shape=[(4, 3), (3, 8, 5), (3, 1, 9)], length=[(4, 4), (4, 8), (8, 8), (1, 16)]), take=5, has_custom=True)
def _irfft2d(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.signal.irfft2d(x, p.length), [Feed(p.shape, "complex64")])


@family("stft", grid(shape=[(16,), (4, 16), (3, 1, 8)], frame=[4, 8], step=[1, 2, 4], length=[None, 4, 8]), take=12)
def _stft(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.signal.stft(x, p.frame, p.step, p.length), [Feed(p.shape)])


@family("spectrogram", grid(shape=[(32,), (2, 32)], frame=[8, 16]), take=4)
def _spectrogram(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.abs(tf.signal.stft(x, p.frame, p.frame // 2, p.frame)), [Feed(p.shape)])


@family("complex_product", grid(dtype=["complex64"], shape=[(5,), (2, 3)], op=["multiply", "add", "subtract"]), take=5)
def _complex_product(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x, y: getattr(tf, p.op)(x, y), [Feed(p.shape, p.dtype), Feed(p.shape, p.dtype)])


@family("audio_spectrogram", grid(window=[64, 256], stride=[32, 128], squared=[True, False]), take=3, has_custom=True)
def _audio(tf: Any, p: SimpleNamespace) -> Graph:
    def function(x: Any) -> Any:
        return tf.raw_ops.AudioSpectrogram(input=x, window_size=p.window, stride=p.stride, magnitude_squared=p.squared)

    return Graph(function, [Feed((1024, 1), low=-1, high=1)])


@family("mfcc", grid(channels=[20, 40], coefficients=[13]), take=2, has_custom=True)
def _mfcc(tf: Any, p: SimpleNamespace) -> Graph:
    def function(x: Any) -> Any:
        spectrum = tf.raw_ops.AudioSpectrogram(input=x, window_size=256, stride=128, magnitude_squared=True)
        return tf.raw_ops.Mfcc(
            spectrogram=spectrum, sample_rate=16000, filterbank_channel_count=p.channels, dct_coefficient_count=p.coefficients
        )

    return Graph(function, [Feed((1024, 1), low=-1, high=1)])
