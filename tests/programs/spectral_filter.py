"""A noisy signal cleaned in the frequency domain, its spectrum by windows, and its peaks."""

import numpy as np


def spectrogram(x, width, hop):
    window = np.hanning(width)
    starts = np.arange(0, len(x) - width + 1, hop)
    frames = x[starts[:, None] + np.arange(width)] * window
    return np.abs(np.fft.rfft(frames, axis=1)) ** 2


def peaks(power, threshold):
    middle = power[1:-1]
    is_peak = (middle > power[:-2]) & (middle > power[2:]) & (middle > threshold)
    return np.nonzero(is_peak)[0] + 1


def spectral_filter(x, rate, cutoff, width):
    spectrum = np.fft.rfft(x)
    frequency = np.fft.rfftfreq(len(x), 1 / rate)
    power = np.abs(spectrum) ** 2 / len(x)
    found = frequency[peaks(power, 20 * np.median(power))]
    spectrum[frequency > cutoff] = 0
    clean = np.fft.irfft(spectrum, len(x))
    levels = 10 * np.log10(spectrogram(clean + 1e-3 * x, width, width // 2) + 1e-12)
    return clean, found, levels


def arguments(size="small", seed=0):
    n, width = {"small": (128, 16), "bench": (2**18, 256)}[size]
    rng = np.random.default_rng(seed)
    t = np.arange(n) / 1000
    return (
        np.sin(2 * np.pi * 50 * t) + 0.5 * np.sin(2 * np.pi * 120 * t) + 0.3 * rng.normal(size=n),
        1000.0,
        200.0,
        width,
    )


def loss(x, rate, cutoff, width):
    spectrum = np.fft.rfft(x)
    return np.sum(np.abs(spectrum[3:20]) ** 2) / len(x)
