"""What the core needs of `typing`, without its price: before Python 3.13 it imports re, functools and contextlib.

That is a third of the time of a plain call. For type checkers, and from Python 3.13 on, these are typing's own names;
otherwise they behave alike as far as the core goes: annotations that say nothing, and tuples with named fields.
"""

# The run-time half cannot be annotated with what it replaces.
# ruff: noqa: ANN001, ANN002, ANN003, ANN202, ANN204, D102, RUF012, PLC0414

import sys

TYPE_CHECKING = False

if TYPE_CHECKING or sys.version_info >= (3, 13):
    from typing import Any as Any
    from typing import Generic as Generic
    from typing import NamedTuple as NamedTuple
    from typing import Protocol as Protocol
    from typing import TextIO as TextIO
    from typing import TypeVar as TypeVar

    class Subscripted:
        """A name that only annotations use: `Name[anything]` is the name."""

        def __class_getitem__(cls, item: object) -> object:
            """Return the class itself."""
            return cls

else:
    from operator import itemgetter

    class Subscripted:
        """A name that only annotations use: `Name[anything]` is the name."""

        __slots__ = ()

        def __class_getitem__(cls, _item):
            return cls

    class Any:
        """As typing.Any in annotations."""

    class TextIO:
        """As typing.TextIO in annotations."""

    class Protocol(Subscripted):
        """As a base, it adds nothing."""

    class Generic(Subscripted):
        """As a base, it adds nothing."""

    class TypeVar:
        """As a parameter of Generic, it says nothing."""

        def __init__(self, name):
            self.__name__ = name

    class _RecordType(type):
        """Makes named tuples out of annotated class bodies; typing compiles a piece of code for each, this does not."""

        def __new__(cls, name, bases, body):
            if not bases:
                return super().__new__(cls, name, (tuple, Subscripted), body)
            fields = tuple(body.get("__annotations__", ()))
            defaults = {field: body[field] for field in fields if field in body}
            body |= {field: property(itemgetter(place)) for place, field in enumerate(fields)}
            body |= {"__slots__": (), "__match_args__": fields, "_fields": fields, "_field_defaults": defaults}
            return super().__new__(cls, name, tuple(base for base in bases if base is not Generic), body)

    class NamedTuple(metaclass=_RecordType):
        """As typing.NamedTuple."""

        __slots__ = ()
        _fields = ()
        _field_defaults = {}

        def __new__(cls, *values, **named):
            fields = cls._fields
            if named or len(values) != len(fields):
                defaults = cls._field_defaults
                for field in fields[len(values) :]:
                    if field not in named and field not in defaults:
                        raise TypeError(f"{cls.__name__}: {field} is missing")
                    values += (named.pop(field) if field in named else defaults[field],)
                if named or len(values) != len(fields):
                    raise TypeError(f"{cls.__name__}: {', '.join(named) or 'a value'} is too much")
            return tuple.__new__(cls, values)

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **named):
            return type(self)(**(self._asdict() | named))

        def __getnewargs__(self):
            return tuple(self)

        def __repr__(self):
            fields = ", ".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({fields})"
