"""Serial port to a board."""

import asyncio
import contextlib
import errno
from collections.abc import Iterator

import serial
from serial.tools import list_ports

from vitaccel.errors import DeviceError

__all__ = ["SerialWire"]

ANSWER_S = 0.5  # without a byte; USB, the kernel and a full queue at 115200 baud take 0.1


class SerialWire:
    """`vitaccel.host.link.Wire` over a port of this machine.

    Parameters
    ----------
    name
        Of the port, such as ``/dev/ttyUSB0``.
    baud
        Bits per second.

    Raises
    ------
    DeviceError
        If there is no such port, it may not be used, or it is no serial port.
    """

    def __init__(self, name: str, baud: int) -> None:
        self.name = name
        try:
            self._port = serial.Serial(
                name, baud, timeout=ANSWER_S, write_timeout=10 * ANSWER_S, exclusive=True
            )
        except (serial.SerialException, OSError, ValueError) as bad:
            raise DeviceError(_refusal(name, baud, bad)) from bad
        # USB chips hold back short answers for 16 ms unless told otherwise.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            self._port.set_low_latency_mode(True)

    async def send(self, data: bytes) -> None:
        """Write, in a thread of its own.

        Raises
        ------
        DeviceError
            If the port is gone or takes nothing any more.
        """
        await asyncio.to_thread(self._write, data)

    async def receive(self) -> bytes:
        """Read what is there, or wait for the first byte; in a thread of its own.

        Raises
        ------
        DeviceError
            If the port is gone.
        """
        return await asyncio.to_thread(self._read)

    def close(self) -> None:
        """Let the port go."""
        self._port.close()

    def _write(self, data: bytes) -> None:
        with self._still_there():
            self._port.write(data)

    def _read(self) -> bytes:
        with self._still_there():
            return self._port.read(max(1, self._port.in_waiting))

    @contextlib.contextmanager
    def _still_there(self) -> Iterator[None]:
        try:
            yield
        except serial.SerialTimeoutException as bad:
            raise DeviceError(
                f"port {self.name} takes no more bytes; plug the board in again"
            ) from bad
        except (serial.SerialException, OSError) as bad:
            raise DeviceError(f"port {self.name} is gone; was the cable pulled?") from bad


def _refusal(name: str, baud: int, bad: Exception) -> str:
    number = getattr(bad, "errno", None)
    if number in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
        found = [port.device for port in list_ports.comports()]
        there = f"there are {', '.join(found)}" if found else "no serial port is there"
        return f"there is no port {name}; {there}; is the board plugged in?"
    if number in {errno.EACCES, errno.EPERM}:
        return (
            f"port {name} may not be used by you; join its group (sudo usermod -aG dialout $USER, "
            "then log in again)"
        )
    if number in {errno.EAGAIN, errno.EBUSY} or "exclusively lock" in str(bad):
        return f"port {name} is in use by another program; close that"
    if isinstance(bad, ValueError):
        return f"port {name} cannot do {baud} baud: {bad}"
    return f"port {name} is no serial port: {bad}"
