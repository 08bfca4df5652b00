"""Options for what is the user's own: --image, --disk, --kernel, and those that `docker run` has too.

The second are --env, --port (its --publish) and --volume.
"""

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import click

_Own = TypeVar("_Own", str, Path)

_PORT = re.compile(
    r"(([0-9.]+|\[[0-9A-Fa-f:]+\]):(?=\d*:)|(?=\d))((?P<host>\d*):)?(?P<inside>\d+)(/(tcp|udp|sctp))?", re.ASCII
)
_VOLUME = re.compile(r"(?P<made>/[^:]*)|(?P<source>[^:]+):(?P<target>/[^:]*)(:(?P<options>[A-Za-z,]+))?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def whole_name(image: str) -> str:
    """Return an image's name with the tag that engines take where none is named."""
    has_tag = ":" in image.rpartition("/")[2] or "@" in image
    return image if has_tag else f"{image}:latest"


_REGISTRY = re.compile(
    r"(localhost|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|\[[0-9A-Fa-f:]+\]|[A-Za-z0-9-]+(?=:))(:\d+)?/[^/:@].*"
)
"""What begins with a registry's host, as engines tell it from a name: it has a dot or a port, or is localhost."""


def name_in_registry(image: str) -> str:
    """Return the whole name of an image in a registry. Raises BadParameter where it does not begin with a host."""
    if _REGISTRY.fullmatch(image) is None:
        raise click.BadParameter(f"{image!r} names no image in a registry; try: HOST[:PORT]/NAME[:TAG]")
    return whole_name(image)


def once_each(own: Sequence[_Own], name: Callable[[_Own], object]) -> tuple[_Own, ...]:
    """Return the user's things as they are. Raises BadParameter for one that is named twice, by what `name` gives."""
    for place, one in enumerate(own):
        if name(one) in map(name, own[:place]):
            raise click.BadParameter(f"{one} is given twice: it can only be the same as itself.")
    return tuple(own)


def read_command(words: str | None) -> tuple[str, ...]:
    """Return the words of a command, as a shell takes them apart. Raises BadParameter for an open quotation."""
    try:
        return tuple(shlex.split(words or ""))
    except ValueError as error:
        raise click.BadParameter(f"{words!r}: {error}") from error


def read_environment(words: tuple[str, ...], ours: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return NAME=VALUE for each; a NAME alone has our value, and is left out where we have none.

    Raises BadParameter for one without a name.
    """
    for word in words:
        if not word or word.startswith("="):
            raise click.BadParameter(f"{word!r} is no NAME=VALUE and no NAME")
    return tuple(
        word if "=" in word else f"{word}={ours[word]}" for word in words if "=" in word or ours.get(word) is not None
    )


def read_ports(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return these ports, [[ADDRESS:]PORT:]PORT[/tcp|udp|sctp] each. Raises BadParameter for what is none."""
    for word in words:
        match = _PORT.fullmatch(word)
        if match is None or not all(0 < int(match[key]) < 1 << 16 for key in ("host", "inside") if match[key]):
            raise click.BadParameter(f"{word!r} is no port; try: 8080:80")
    return words


def fixed_ports(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return those that name a port of the host, which one instance at a time can have."""
    return tuple(word for word in words if (match := _PORT.fullmatch(word)) and match["host"])


def read_volumes(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return these volumes, [SOURCE:]TARGET[:OPTIONS] each, a folder of the host by its whole path.

    Raises BadParameter for what is none, and for a folder that is not there: an engine would make it, and leave it.
    """
    return tuple(_volume(word) for word in words)


def _volume(word: str) -> str:
    match = _VOLUME.fullmatch(word)
    if match is None:
        raise click.BadParameter(f"{word!r} is no volume; try: /folder/here:/folder/inside:ro")
    source = match["source"]
    if source is None or _NAME.fullmatch(source):
        return word
    folder = Path(source).expanduser().resolve()
    try:
        is_there = folder.exists()
    except OSError as error:
        raise click.BadParameter(f"{folder}: {error.strerror}; try: a folder that you may look into") from error
    if not is_there:
        raise click.BadParameter(f"{folder} is not there, and would be made and left behind; try: mkdir {folder}")
    return ":".join(filter(None, (str(folder), match["target"], match["options"])))
