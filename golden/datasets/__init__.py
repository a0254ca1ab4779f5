"""Images: the digits that the demo uses, CIFAR-10, and folders of the user's own."""

from golden.datasets.cifar10 import cifar10, is_cifar10
from golden.datasets.digits import Digits, Split, digits
from golden.datasets.folder import read_folder
from golden.datasets.labelled import Labelled, labelled_files, read_labelled

__all__ = [
    "Digits",
    "Labelled",
    "Split",
    "cifar10",
    "digits",
    "is_cifar10",
    "labelled_files",
    "read_folder",
    "read_labelled",
]
