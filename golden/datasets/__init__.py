"""Images: the digits that the demo uses, and folders of the user's own."""

from golden.datasets.digits import Digits, Split, digits
from golden.datasets.folder import read_folder
from golden.datasets.labelled import Labelled, labelled_files, read_labelled

__all__ = [
    "Digits",
    "Labelled",
    "Split",
    "digits",
    "labelled_files",
    "read_folder",
    "read_labelled",
]
