"""The options that mean what they mean for `docker run`: --env, --port (its --publish) and --volume."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import click

_PORT = re.compile(
    r"(([0-9.]+|\[[0-9A-Fa-f:]+\]):(?=\d*:)|(?=\d))((?P<host>\d*):)?(?P<inside>\d+)(/(tcp|udp|sctp))?", re.ASCII
)
_VOLUME = re.compile(r"(?P<made>/[^:]*)|(?P<source>[^:]+):(?P<target>/[^:]*)(:(?P<options>[A-Za-z,]+))?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


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
    if not folder.exists():
        raise click.BadParameter(f"{folder} is not there, and would be made and left behind; try: mkdir {folder}")
    return ":".join(filter(None, (str(folder), match["target"], match["options"])))
