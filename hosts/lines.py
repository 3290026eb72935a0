"""Renders as lines of text, for scripts of hosts that have no sockets: a line asks, and lines answer.

A line that asks holds what ``/audiosr/render`` takes, with a tab between, and the path absolute: request,
path, start, length, rate, preset, and any number of options. A line that answers holds the reply's last name
and its arguments: ``done``, request, job, output, manifest. No value holds a tab or a line's end, because
no path that the server takes does, so nothing needs quoting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from audiosr_fx.errors import AudioSRError, MessageError
from audiosr_fx.wording import one_line
from hosts import protocol
from hosts.client import OscClient
from hosts.osc import Message
from hosts.protocol import check_request_id

MAX_LINES: Final = 1000
_AT_ONCE: Final = 16
"""Requests that are followed at a time; the queue renders them one after another anyway."""
_FIELDS: Final = ("request", "path", "start", "length", "rate", "preset")


def read_lines(text: str) -> list[Message]:
    """The renders that lines ask for; empty lines are passed over.

    Raises:
        MessageError: a line of another form, two of one word, or too many; the text names the line.
    """
    messages: list[Message] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                messages.append(_read(line.rstrip("\r")))
            except MessageError as error:
                raise MessageError(f"line {number}: {error}") from error
    words = [str(message.arguments[0]) for message in messages]
    twice = next((word for word in words if words.count(word) > 1), None)
    if twice is not None:
        raise MessageError(f"request {twice} stands in two lines; expected a word of its own for each")
    if len(messages) > MAX_LINES:
        raise MessageError(f"there are {len(messages)} lines; expected up to {MAX_LINES}")
    return messages


def render_lines(
    messages: Iterable[Message], connect: Callable[[], OscClient], tell: Callable[[str], None]
) -> bool:
    """Send renders, and tell their replies as lines until each has ended.

    Args:
        messages: of ``read_lines``.
        connect: makes a client; each request has its own.
        tell: takes a line, without its end; called from several threads.

    Returns:
        Whether every one came to a file. What the server does not answer is told as its error.
    """

    def follow(message: Message) -> bool:
        try:
            with connect() as client:
                for reply in client.render(message):
                    tell(write_line(reply))
        except AudioSRError as error:
            tell(write_line(Message(protocol.ERROR, (message.arguments[0], "", one_line(error)))))
            return False
        return reply.address == protocol.DONE

    with ThreadPoolExecutor(_AT_ONCE, "send line") as pool:
        return all([*pool.map(follow, messages)])


def write_line(reply: Message) -> str:
    """A reply as a line, without its end."""
    name = reply.address.removeprefix(f"{protocol.PREFIX}/")
    return "\t".join([name, *(_plain(str(value)) for value in reply.arguments)])


def _read(line: str) -> Message:
    fields = line.split("\t")
    if len(fields) < len(_FIELDS):
        raise MessageError(f"has {len(fields)} fields; expected {', '.join(_FIELDS)}, with tabs between")
    word, path, start, length, rate, preset, *options = fields
    check_request_id(word)
    if not rate.isdecimal():
        raise MessageError(f"rate is {rate!r:.40}; expected whole Hz, or 0 for seconds")
    return Message(protocol.RENDER, (word, "", path, start, length, int(rate), preset, *options))


def _plain(text: str) -> str:
    return "".join(c if c not in "\t\r\n" else " " for c in text)
