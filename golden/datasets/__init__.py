"""Images: the digits that the demo uses, and folders of the user's own."""

from golden.datasets.digits import Digits, Split, digits

__all__ = ["Digits", "Split", "digits"]
