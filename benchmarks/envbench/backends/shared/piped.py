"""What instances share whose payload writes into a pipe that we hold."""

import os

from envbench.errors import BackendError


class PipedInstance:
    """An instance whose output is the read end of a pipe; a subclass says what runs and how it is ended."""

    def __init__(self, name: str, output: int) -> None:
        self._name = name
        self._output: int | None = output

    @property
    def name(self) -> str:
        """Name with the run's id."""
        return self._name

    @property
    def is_closed(self) -> bool:
        """Whether the pipe has been closed, which is the last thing that is done to an instance."""
        return self._output is None

    def output_fileno(self) -> int:
        """Return the read end of the pipe. Raises BackendError once it is closed."""
        if self._output is None:
            raise BackendError(f"{self._name} is gone")
        return self._output

    def decode(self, chunk: bytes) -> bytes:
        """Return the chunk: nothing frames a pipe."""
        return chunk

    def close_output(self) -> None:
        """Close the pipe; safe to call twice."""
        if self._output is not None:
            os.close(self._output)
            self._output = None
