"""answer - what is said to one request of HTTP, and how both look on the wire.

Twin of `c/src/answer.c`, where libmicrohttpd reads and writes. Here we do it ourselves: http.server
reads heads, too, but forgives more.
"""

import re
import time
from dataclasses import dataclass
from http import HTTPStatus

_PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said."""

    status: int
    body: str
    type: str = _PLAIN
    """The media type."""


def answer_plain(status: int, text: str = "") -> Answer:
    """A line of plain text; if there is none, what HTTP calls the status."""
    return Answer(status, text or f"{HTTPStatus(status).phrase.lower()}\n")


_END = re.compile(rb"\n\r?\n")


def answer_head(data: bytes) -> tuple[bool, bytes]:
    """Whether the head of a request is whole, and what there is of it.

    That is without the empty line that ends it, and those before it: RFC 9112, section 2.2.
    """
    data = data.lstrip(b"\r\n")
    end = _END.search(data)
    return (True, data[: end.start()].rstrip(b"\r")) if end else (False, data)


# RFC 9112, sections 3 and 5.
_FIELD = re.compile(rb"[!-9;-~]+:|[ \t]")
_LENGTH = re.compile(rb"content-length:(?![ \t]*\d+[ \t]*$)", re.IGNORECASE)


def answer_read(head: bytes) -> tuple[int, str, str]:
    """Status 0, method and path of a request; or a status that refuses it.

    head is whole, as answer_head gives it. The path has no '?' and what comes after it; nothing is
    decoded. 400 for what is no request, 505 for HTTP/2.0 and its like.
    """
    first, *fields = re.split(rb"\r?\n", head)
    words = re.split(rb" +", first)
    if len(words) == 3 and re.fullmatch(rb"HTTP/[02-9]\.\d", words[2]):
        return 505, "", ""
    if len(words) != 3 or not re.fullmatch(rb"HTTP/1\.\d", words[2]):
        return 400, "", ""
    if any(not _FIELD.match(line) or _LENGTH.match(line) for line in fields):
        return 400, "", ""
    method, path = (word.decode("latin-1") for word in words[:2])
    return 0, method, path.partition("?")[0]


def answer_frame(answer: Answer, head_only: bool = False) -> bytes:
    """An answer as it is sent, for HEAD without its body.

    With Content-Type, Content-Length, Cache-Control: no-store, Connection: close and, where the
    status is 405, Allow: GET, HEAD.
    """
    body = answer.body.encode(errors="surrogateescape")
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
        "Connection: close",
        f"Content-Type: {answer.type}",
        "Cache-Control: no-store",
        f"Content-Length: {len(body)}",
    ]
    if answer.status == 405:
        lines.append("Allow: GET, HEAD")
    return "\r\n".join([*lines, "", ""]).encode() + (b"" if head_only else body)
