"""Images: the digits that the demo uses, and folders of the user's own."""

from golden.datasets.digits import Digits, Split, digits
from golden.datasets.folder import read_folder

__all__ = ["Digits", "Split", "digits", "read_folder"]
