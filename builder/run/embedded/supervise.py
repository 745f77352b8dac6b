"""The processes around a command: who forks whom, who reaps, who passes signals on, and who dies with whom.

    caller ── keeper ── init (process 1 inside) ── command
              host's     new namespaces, as the
              process    command's own user
              numbers

A signal goes down one step at a time, each to a child that is not reaped yet, so that no number is ever stale.
The keeper dies with the caller, init with the keeper, and the kernel ends everything inside with init.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NoReturn

from builder.errors import EnvbuildError
from builder.run.embedded import namespaces, system_calls
from builder.run.embedded.diagnosis import obstacles
from builder.run.embedded.namespaces import Standing

FORWARDED = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2})
_WAITED = FORWARDED | {signal.SIGCHLD}
_READY = b"ready"
_MESSAGE_LIMIT = 1 << 16

Init = Callable[[socket.socket, Callable[[], None]], int]
"""What process 1 does, given a channel to the caller and a call that ties it to the keeper; returns the exit code.

A change of credentials unties it, so the call is made again after one.
"""


@dataclass(frozen=True, slots=True)
class Contained:
    """A running keeper, and the channel on which its children tell how far they have come."""

    process: int
    channel: socket.socket

    def await_start(self) -> int | None:
        """Wait until the command runs: the controlling end of its terminal, if it has one.

        Raises: EnvbuildError, if it cannot be started.
        """
        terminal = None
        while True:
            data, descriptors, _, _ = socket.recv_fds(self.channel, _MESSAGE_LIMIT, 1)
            if not data:
                return terminal
            if descriptors:
                terminal = descriptors[0]
            else:
                os.waitid(os.P_PID, self.process, os.WEXITED | os.WNOWAIT)
                failure = json.loads(data)
                raise EnvbuildError(failure["what"], failure["why"], failure["hint"])


@contextmanager
def contain(standing: Standing, network: bool, before: Callable[[int], None], init: Init) -> Iterator[Contained]:
    """Run `init` as the first process of new namespaces; its result is the exit code of the keeper.

    `before` is called with the keeper's process number, before init runs.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, _forwarding() as forward_to:
        caller = os.getpid()
        keeper = system_calls.fork()
        if keeper == 0:
            ours.close()
            _end(theirs, lambda: _keep(standing, network, theirs, init, caller))
        theirs.close()
        forward_to(keeper)
        contained = Contained(keeper, ours)
        try:
            if ours.recv(_MESSAGE_LIMIT, socket.MSG_PEEK) == _READY:
                ours.recv(_MESSAGE_LIMIT)
                _prepare(keeper, standing, before)
                ours.send(_READY)
            yield contained
        except BaseException:
            _kill(keeper)
            raise


def wait(contained: Contained) -> int:
    """The exit code of the command."""
    return _exit_code(os.waitpid(contained.process, 0)[1])


def start(command: Callable[[], None], channel: socket.socket) -> int:
    """Fork a child that `command` replaces by another program, with every signal as usual."""
    child = system_calls.fork()
    if child == 0:
        _end(channel, lambda: _become(command))
    return child


def supervise(child: int) -> int:
    """Pass signals on to `child` and reap whatever ends, until `child` does: its exit code, or 128 + signal.

    The signals must be blocked.
    """
    while True:
        number = signal.sigwait(_WAITED)
        if number != signal.SIGCHLD:
            os.kill(child, number)
            continue
        for process, status in _ended():
            if process == child:
                return _exit_code(status)


def send_failure(channel: socket.socket, error: BaseException) -> None:
    """Tell the caller what went wrong."""
    if not isinstance(error, EnvbuildError):
        reasons = obstacles() if isinstance(error, OSError) else ()
        why = (str(error) or type(error).__name__, *reasons)
        error = EnvbuildError("the embedded engine cannot start the command", why)
    message = {"what": error.what[:4000], "why": [line[:4000] for line in error.why[:8]], "hint": error.hint}
    channel.send(json.dumps(message).encode())


def _prepare(keeper: int, standing: Standing, before: Callable[[int], None]) -> None:
    if standing.new_user_namespace:
        namespaces.write_maps(keeper, standing)
    before(keeper)


def _keep(standing: Standing, network: bool, channel: socket.socket, init: Init, caller: int) -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED)
    os.setsid()
    namespaces.enter(standing, network)
    system_calls.die_with_parent(signal.SIGKILL)
    if os.getppid() != caller:
        return 1
    channel.send(_READY)
    if channel.recv(_MESSAGE_LIMIT) != _READY:
        return 1
    alive, keeper_lives = os.pipe()
    child = system_calls.fork()
    if child == 0:
        os.close(keeper_lives)
        _end(channel, lambda: _first(channel, alive, init))
    channel.close()
    os.close(alive)
    return supervise(child)


def _first(channel: socket.socket, alive: int, init: Init) -> int:
    """Process 1. Its parent's number is hidden from it, so a pipe tells whether the keeper lives."""
    poll = select.poll()
    poll.register(alive, 0)

    def tie() -> None:
        system_calls.die_with_parent(signal.SIGKILL)
        if poll.poll(0):
            os._exit(1)

    _close_all_but(channel.fileno(), alive)
    tie()
    return init(channel, tie)


def _close_all_but(*kept: int) -> None:
    """Close what was open in the caller, so that nothing of the host can be reached through it."""
    for number in map(int, os.listdir("/proc/self/fd")):
        if number > 2 and number not in kept:
            with suppress(OSError):  # the folder's own, closed by now
                os.close(number)


def _become(command: Callable[[], None]) -> int:
    for number in (*_WAITED, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    command()
    return 1


def _end(channel: socket.socket, body: Callable[[], int]) -> NoReturn:
    """Run the body of a forked child; it never comes back into the caller's code."""
    code = 1
    try:
        code = body()
    except BaseException as error:  # noqa: BLE001  # whatever it is, the caller must hear of it
        send_failure(channel, error)
    finally:
        os._exit(code)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def _ended() -> Iterator[tuple[int, int]]:
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if process == 0:
            return
        yield process, status


def _kill(keeper: int) -> None:
    try:
        os.kill(keeper, signal.SIGKILL)
        os.waitpid(keeper, 0)
    except (ChildProcessError, ProcessLookupError):
        return


@contextmanager
def _forwarding() -> Iterator[Callable[[int], None]]:
    """Pass the caller's signals on; those that come before there is a child wait. Only the main thread gets any."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda _: None
        return
    previous = {number: signal.getsignal(number) for number in FORWARDED}
    taken = [number for number, handler in previous.items() if handler not in (signal.SIG_IGN, None)]
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)

    def forward_to(child: int) -> None:
        for number in taken:
            signal.signal(number, lambda received, _: _pass_on(child, received))
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    try:
        yield forward_to
    finally:
        for number in taken:
            signal.signal(number, previous[number])
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _pass_on(child: int, number: int) -> None:
    try:
        os.kill(child, number)
    except ProcessLookupError:
        return
