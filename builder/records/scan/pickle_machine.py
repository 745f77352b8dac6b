"""Following a pickle without loading it: which names it imports, whichever way it writes them (PEP 307, 574, 3154).

A stack machine of values that are known only where an import may depend on them. It is more lenient than Python's: what
makes that stop is passed over here, so that nothing which could run is missed. Joblib's arrays, which lie between
instructions, are stepped over.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import IO, Any, ClassVar

from builder.records.scan.pickle_values import (
    EXTENSION,
    HIDDEN,
    MARK,
    UNKNOWN,
    Import,
    Made,
    MalformedPickleError,
    TooLargeError,
)

MOST_OPCODES = 20_000_000
MOST_KEPT = 1_000_000
"""Values on the stack, and in the memo, at most."""
_LONGEST_TEXT = 256
_LONGEST_LINE = 1 << 20
_LONGEST_NUMBER = 32
_MOST_MEMBERS = 64
"""Of a tuple or a dictionary that is known."""
_CHUNK = 1 << 20
_DEEPEST = 4
_LINE, _LENGTHS = -1, {-2: "<B", -3: "<i", -4: "<I", -5: "<Q"}
"""As `pickletools` says how long an argument is: a line, or a length in front of it."""


@cache
def _opcodes() -> dict[int, tuple[str, int | None]]:
    """The name of each opcode and how long its argument is, as `pickletools` has it; None for no argument."""
    import pickletools

    return {ord(code.code): (code.name, code.arg.n if code.arg else None) for code in pickletools.opcodes}


@dataclass(slots=True)
class Machine:
    """Follows one pickle of a stream, and those that joblib puts into it."""

    stream: IO[bytes]
    """Buffered; it stands where the pickle begins, and afterwards where it ended."""
    found: Callable[[Import], None]
    """Is told of each import, as soon as it is read."""
    skipped: Callable[[bytes], None] = lambda _: None
    """Is told of the bytes of arrays."""
    depth: int = 0
    count: int = 0
    """Opcodes that were read."""
    _stack: list[Any] = field(default_factory=list)
    _memo: dict[int, Any] = field(default_factory=dict)
    _dense: int = 0
    """The memo has all numbers below; those of them that are not kept stand for what is not known."""
    _sparse: int = 0
    """How many numbers the memo has besides."""

    def run(self) -> None:
        """Follow the pickle to its end.

        Raises: MalformedPickleError, if it has none; TooLargeError.
        """
        opcodes, handlers, read = _opcodes(), self._HANDLERS, self.stream.read
        while code := read(1):
            self.count += 1
            if self.count > MOST_OPCODES or len(self._stack) > MOST_KEPT or len(self._memo) > MOST_KEPT:
                raise TooLargeError(f"it has more than {MOST_OPCODES} instructions or {MOST_KEPT} values")
            known = opcodes.get(code[0])
            if known is None:
                raise MalformedPickleError(f"{code!r} is no instruction of a pickle")
            name, length = known
            if name == "STOP":
                return
            argument = b"" if length is None else self._argument(name, length)
            if (handler := handlers.get(name)) is not None:
                handler(self, argument)
            elif name not in ("PROTO", "FRAME", "READONLY_BUFFER"):
                self._stack.append(UNKNOWN)
        raise MalformedPickleError("it breaks off")

    def _argument(self, name: str, length: int) -> bytes:
        if length == _LINE:
            return self._line() + self._line() if name in ("GLOBAL", "INST") else self._line()
        if length >= 0:
            return self._exactly(length)
        form = _LENGTHS[length]
        (size,) = struct.unpack(form, self._exactly(struct.calcsize(form)))
        if size < 0:
            raise MalformedPickleError("a length is negative")
        kept = self._exactly(min(size, 4 * _LONGEST_TEXT))
        self._skip(size - len(kept))
        return kept

    def _line(self) -> bytes:
        line = self.stream.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise MalformedPickleError("a line of it has no end")
        return line

    def _exactly(self, size: int) -> bytes:
        data = self.stream.read(size)
        if len(data) != size:
            raise MalformedPickleError("it breaks off")
        return data

    def _skip(self, size: int, *, told: bool = False) -> None:
        while size > 0:
            data = self.stream.read(min(size, _CHUNK))
            if not data:
                raise MalformedPickleError("it breaks off")
            size -= len(data)
            if told:
                self.skipped(data)

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        return self._stack.pop() if self._stack else UNKNOWN

    def _top(self) -> Any:
        return self._stack[-1] if self._stack else UNKNOWN

    def _to_mark(self) -> list[Any]:
        """What is above the last mark, which goes too."""
        at = len(self._stack) - 1
        while at >= 0 and self._stack[at] is not MARK:
            at -= 1
        items = self._stack[at + 1 :]
        del self._stack[max(at, 0) :]
        return items

    def _mark(self, _: bytes) -> None:
        self._push(MARK)

    def _drop(self, _: bytes) -> None:
        self._pop()

    def _drop_to_mark(self, _: bytes) -> None:
        self._to_mark()

    def _double(self, _: bytes) -> None:
        self._push(self._top())

    def _collection(self, _: bytes) -> None:
        """A list or a set of which nothing is known."""
        self._to_mark()
        self._push(UNKNOWN)

    def _persistent(self, _: bytes) -> None:
        self._pop()
        self._push(UNKNOWN)

    def _unsigned(self, argument: bytes) -> None:
        self._push(int.from_bytes(argument, "little"))

    def _signed(self, argument: bytes) -> None:
        self._push(int.from_bytes(argument, "little", signed=True) if len(argument) <= 8 else UNKNOWN)

    def _decimal(self, argument: bytes) -> None:
        text, value = argument.strip().removesuffix(b"L"), UNKNOWN
        if len(text) <= _LONGEST_NUMBER:
            with suppress(ValueError):
                self._push(int(text))
                return
        self._push(value)

    def _text(self, argument: bytes) -> None:
        text = argument.decode("utf-8", "replace")
        self._push(text if len(text) <= _LONGEST_TEXT else UNKNOWN)

    def _escaped(self, argument: bytes) -> None:
        """A string of protocol 0, as `repr` wrote it or with escapes of its own."""
        line = argument.strip()
        value: Any = UNKNOWN
        if len(line) <= 4 * _LONGEST_TEXT:
            with suppress(ValueError, UnicodeError):
                if line[:1] in (b"'", b'"') and line[-1:] == line[:1]:
                    value = codecs.escape_decode(line[1:-1])[0].decode("latin-1")
                else:
                    value = line.decode("raw-unicode-escape")
        self._push(value)

    def _tuple(self, _: bytes) -> None:
        items = self._to_mark()
        self._push(tuple(items) if len(items) <= _MOST_MEMBERS else UNKNOWN)

    def _empty_tuple(self, _: bytes) -> None:
        self._push(())

    def _tuple_of_one(self, _: bytes) -> None:
        self._push((self._pop(),))

    def _tuple_of_two(self, _: bytes) -> None:
        second, first = self._pop(), self._pop()
        self._push((first, second))

    def _tuple_of_three(self, _: bytes) -> None:
        third, second, first = self._pop(), self._pop(), self._pop()
        self._push((first, second, third))

    def _empty_dictionary(self, _: bytes) -> None:
        self._push({})

    def _dictionary(self, _: bytes) -> None:
        items = self._to_mark()
        self._push({})
        self._take(items)

    def _set_item(self, _: bytes) -> None:
        value, key = self._pop(), self._pop()
        self._take([key, value])

    def _set_items(self, _: bytes) -> None:
        self._take(self._to_mark())

    def _take(self, items: list[Any]) -> None:
        """Put keys and values into the dictionary on top."""
        target = self._top()
        if isinstance(target, dict) and len(target) + len(items) // 2 <= _MOST_MEMBERS:
            pairs = zip(items[::2], items[1::2], strict=False)
            target.update({key: value for key, value in pairs if isinstance(key, (str, int))})

    def _remember(self, key: int | None) -> None:
        """Keep what is on top under a number; by default that of how many there are, as `MEMOIZE` has it."""
        value = UNKNOWN if self._top() is MARK else self._top()
        at = self._dense + self._sparse if key is None else key
        if at == self._dense and not self._sparse:
            self._dense += 1
        elif at >= self._dense and at not in self._memo:
            self._sparse += 1
            self._memo[at] = value
        if value is not UNKNOWN or at in self._memo:
            self._memo[at] = value

    def _memoize(self, _: bytes) -> None:
        self._remember(None)

    def _put(self, argument: bytes) -> None:
        self._remember(int.from_bytes(argument, "little"))

    def _put_written(self, argument: bytes) -> None:
        self._remember(_written(argument))

    def _get(self, argument: bytes) -> None:
        self._push(self._memo.get(int.from_bytes(argument, "little"), UNKNOWN))

    def _get_written(self, argument: bytes) -> None:
        self._push(self._memo.get(_written(argument), UNKNOWN))

    def _import(self, module: Any, name: Any) -> None:
        known = isinstance(module, str) and isinstance(name, str)
        found = Import(module, name) if known else HIDDEN
        self.found(found)
        self._push(found)

    def _global(self, argument: bytes) -> None:
        module, name = (line.rstrip(b"\r").decode("utf-8", "replace") for line in argument.split(b"\n")[:2])
        self._import(module[:_LONGEST_TEXT], name[:_LONGEST_TEXT])

    def _stack_global(self, _: bytes) -> None:
        name, module = self._pop(), self._pop()
        self._import(module, name)

    def _instance(self, argument: bytes) -> None:
        items = self._to_mark()
        self._global(argument)
        self._push(Made(self._pop(), tuple(items[:_MOST_MEMBERS])))

    def _object(self, _: bytes) -> None:
        items = self._to_mark()
        self._push(Made(items[0] if items else UNKNOWN, tuple(items[1:_MOST_MEMBERS])))

    def _extension(self, _: bytes) -> None:
        self.found(EXTENSION)
        self._push(UNKNOWN)

    def _call(self, _: bytes) -> None:
        arguments, by = self._pop(), self._pop()
        self._push(Made(by, arguments))

    def _call_with_names(self, _: bytes) -> None:
        self._pop()
        self._call(b"")

    def _build(self, _: bytes) -> None:
        state, target = self._pop(), self._top()
        if isinstance(target, Made):
            target.state = state if isinstance(state, dict) else {}
            if target.is_array_wrapper:
                self._step_over_array(target)

    def _step_over_array(self, wrapper: Made) -> None:
        """Joblib's wrapper of an array is followed by its bytes, or by a pickle where it holds objects."""
        size = wrapper.array_size()
        if size is None:
            self._nested()
            return
        if wrapper.padding_is_told:
            self._skip(self._exactly(1)[0])
        self._skip(size, told=True)

    def _nested(self) -> None:
        if self.depth == _DEEPEST:
            raise TooLargeError("pickles are nested in it too deep")
        inner = Machine(self.stream, self.found, self.skipped, self.depth + 1, self.count)
        inner.run()
        self.count = inner.count

    _HANDLERS: ClassVar[dict[str, Callable[[Machine, bytes], None]]] = {
        "MARK": _mark, "POP": _drop, "POP_MARK": _drop_to_mark, "DUP": _double, "BINPERSID": _persistent,
        "LIST": _collection, "FROZENSET": _collection, "APPENDS": _drop_to_mark, "ADDITEMS": _drop_to_mark,
        "APPEND": _drop,
        "BININT": _signed, "BININT1": _unsigned, "BININT2": _unsigned, "LONG1": _signed, "INT": _decimal,
        "LONG": _decimal,
        "BINUNICODE": _text, "SHORT_BINUNICODE": _text, "BINUNICODE8": _text, "BINSTRING": _text,
        "SHORT_BINSTRING": _text,
        "UNICODE": _escaped, "STRING": _escaped,
        "TUPLE": _tuple, "EMPTY_TUPLE": _empty_tuple, "TUPLE1": _tuple_of_one, "TUPLE2": _tuple_of_two,
        "TUPLE3": _tuple_of_three, "EMPTY_DICT": _empty_dictionary, "DICT": _dictionary, "SETITEM": _set_item,
        "SETITEMS": _set_items, "MEMOIZE": _memoize, "PUT": _put_written, "BINPUT": _put, "LONG_BINPUT": _put,
        "GET": _get_written, "BINGET": _get, "LONG_BINGET": _get,
        "GLOBAL": _global, "STACK_GLOBAL": _stack_global, "INST": _instance, "OBJ": _object,
        "EXT1": _extension, "EXT2": _extension, "EXT4": _extension,
        "REDUCE": _call, "NEWOBJ": _call, "NEWOBJ_EX": _call_with_names, "BUILD": _build,
    }  # fmt: skip
    """What each opcode does that is more than pushing something of which nothing is known."""


def _written(argument: bytes) -> int:
    """A number of the memo in digits; -1 for what is none."""
    try:
        return int(argument[:_LONGEST_NUMBER])
    except ValueError:
        return -1
