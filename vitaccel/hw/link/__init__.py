"""Host link: framed requests over a byte stream, to registers and memory."""
