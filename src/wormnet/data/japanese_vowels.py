"""JapaneseVowels: nine speakers say two vowels; who speaks? 12 cepstrum coefficients, 7 to 29 steps."""

from wormnet.data import archive
from wormnet.data.dataset import Dataset

__all__ = ["ABOUT", "load"]

ABOUT = archive.about(
    "japanese_vowels",
    "12 cepstrum coefficients of spoken vowels; which of 9 speakers",
    "270 train and 370 test",
    "Kudo, Toyama & Shimbo 1999, Pattern Recognition Letters 20, 1103-1111",
    "UEA",
)


def load(protocol: str = "clean", seed: int = 0, *, fold: int | None = None) -> Dataset:
    """270 / 370 sequences of 12 channels, standardised by the mean and deviation of the train part alone.

    Args:
        protocol: "clean".
        seed: which sequences of train are held out for validation.
        fold: None: the archive's test part; 0 to 4: a stratified fifth of all 640 sequences to test.

    Raises:
        ArgumentError: for a fold that there is not.
        DataError: if aeon is not installed.

    Source: Kudo, Toyama & Shimbo 1999, Pattern Recognition Letters 20, 1103-1111.

    >>> load()
    Dataset('japanese_vowels', 216/54/370 sequences, 12 inputs, 9 outputs, classify per sequence, clean)
    """
    return archive.load(ABOUT, protocol, seed, fold=fold)
