"""The room's server: phones answer a lecture's question, with no account: ``ssl-course room``.

One process, which the lecturer starts and stops. It shares nothing with a kernel, so no answer goes when one
dies, and keeps nothing after it stops unless a CSV file is named.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import os
import secrets
import signal
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from hmac import compare_digest
from pathlib import Path
from typing import Any

import tornado.httpserver
import tornado.web

from ssl_course import assets
from ssl_course.course import room
from ssl_course.course.lecture import to_number
from ssl_course.course.room import notes

PORT = 8765
LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # of a code that is read from a screen: no I, L, O, 0, 1
MOST_PHONES = 1000
LARGEST = 4096  # bytes of an answer
LARGEST_QUESTION = 64 * 1024
HERE = Path(__file__).parent
PAGES = {"phone.js": "text/javascript", "notes.js": "text/javascript", "phone.css": "text/css"}


# ------------------------------------------------------------------------------------- questions and answers


@dataclass
class Question:
    """A prediction as `lecture.predict` asks it, and what the phones answered."""

    key: str
    text: str
    kind: str
    choices: list[str]
    answers: dict[str, float | str] = field(default_factory=dict)  # phone → its answer
    measured: float | str | None = None
    revealed: bool = False
    round: int = 0  # how often its answers were forgotten

    def read(self, value: object) -> float | str:
        """An answer of this question's own kind.

        Raises:
            ValueError: it is none; the message says what is wanted.
        """
        if self.kind == "choice":
            if not isinstance(value, str) or value not in self.choices:
                raise ValueError("Choose one of the answers on offer.")
            return value
        try:
            if isinstance(value, bool) or not isinstance(value, str | int | float) or len(str(value)) > 40:
                raise TypeError
            number = float(to_number(str(value)))
        except (TypeError, ValueError, OverflowError):
            raise ValueError("That is not a number: write for instance 30, 0.25 or 25 %.") from None
        if abs(number) > 1e300:
            raise ValueError("That number is too large.")
        return number


@dataclass
class Bucket:
    """A rate limit: ``full`` at once, then ``rate`` a second."""

    full: float
    rate: float
    left: float = -1.0
    when: float = 0.0

    def take(self, now: float) -> bool:
        """Whether one more is allowed at the time ``now``, in seconds."""
        self.left = self.full if self.left < 0 else min(self.full, self.left + self.rate * (now - self.when))
        self.when = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Room:
    """One session: its code, its questions, their answers."""

    def __init__(self, code: str | None = None, desk: str | None = None) -> None:
        self.code = code or "".join(secrets.choice(LETTERS) for _ in range(5))
        self.desk = desk or secrets.token_urlsafe(24)  # what the lecturer's kernel shows
        self.questions: dict[str, Question] = {}
        self.now: Question | None = None
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def ask(self, key: str, text: str, kind: str, choices: Sequence[str]) -> Question:
        """Put a question to the room; the same one again keeps its answers.

        Raises:
            ValueError: it is no question as `lecture.predict` makes them.
        """
        if not (isinstance(key, str) and isinstance(text, str) and kind in ("number", "choice")):
            raise ValueError("a question has a key, a text and a kind, number or choice")
        if not isinstance(choices, list) or not all(isinstance(c, str) for c in choices):
            raise ValueError("choices are a list of texts")
        if (kind == "choice") != bool(choices):
            raise ValueError("choices for the kind choice, and only then")
        known = self.questions.get(key)
        if known is None or (known.text, known.kind, known.choices) != (text, kind, choices):
            self.questions[key] = Question(key, text, kind, choices)
        self.now = self.questions[key]
        return self.now

    def answer(self, key: object, phone: str, value: object) -> float | str:
        """Keep a phone's answer; a later one replaces it.

        Raises:
            ValueError: not this question's kind, or too late; the message is for the phone.
        """
        question = self.questions.get(key) if isinstance(key, str) else None
        if question is None or question is not self.now:
            raise ValueError("This question is no longer open.")
        if question.revealed:
            raise ValueError("The result is out: answers can no longer be changed.")
        read = question.read(value)
        if phone not in question.answers and len(question.answers) >= MOST_PHONES:
            raise ValueError(f"The room is full: it takes {MOST_PHONES} phones.")
        question.answers[phone] = read
        return read

    def may(self, who: str, full: float, rate: float) -> bool:
        """Whether ``who`` may answer now (a token bucket); of those seen, only the latest are remembered."""
        bucket = self._buckets.setdefault(who, Bucket(full, rate))
        self._buckets.move_to_end(who)
        if len(self._buckets) > 4 * MOST_PHONES:
            self._buckets.popitem(last=False)
        return bucket.take(time.monotonic())

    def write_csv(self, file: Path) -> None:
        """Every question's answers, sorted, so that no row tells who was first or which two came from one
        phone."""
        with assets.replacing(file) as part, open(part, "w", newline="", encoding="utf-8") as stream:
            rows = csv.writer(stream)
            rows.writerow(["key", "question", "answer", "measured"])
            for question in self.questions.values():
                measured = "" if question.measured is None else question.measured
                for answer in sorted(question.answers.values()):
                    rows.writerow([question.key, question.text, answer, measured])


# ------------------------------------------------------------------------------------------------ the pages


class Handler(tornado.web.RequestHandler):
    """What phones and desk have in common: short bodies, sentences for errors, nothing kept by browsers."""

    room: Room
    largest = LARGEST

    def initialize(self, room: Room, written: Callable[[], None]) -> None:
        """Called by tornado with what `application` hands over."""
        self.room, self.written = room, written

    def set_default_headers(self) -> None:
        """No page of ours loads, or is shown inside, another's."""
        self.set_header(
            "Content-Security-Policy", "default-src 'self'; img-src data:; frame-ancestors 'none'"
        )
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.clear_header("Server")

    def say(self, status: int, sentence: str) -> None:
        """End with an error that a person can read."""
        self.set_status(status)
        self.finish({"error": sentence})

    def write_error(self, status_code: int, **_: Any) -> None:
        """Whatever else goes wrong: tornado's words, without a page of its own."""
        self.finish({"error": f"{self._reason}."})

    def body(self) -> dict[str, Any]:
        """The request's JSON.

        Raises:
            ValueError: too long, or no JSON object.
        """
        if len(self.request.body) > self.largest:
            raise ValueError("That is too long.")
        try:
            fields = json.loads(self.request.body)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise ValueError("That could not be read.")
        return fields


class Phone(Handler):
    """Pages and calls of the phones, below the session's code."""

    def me(self) -> str | None:
        """What tells this phone from others: a random cookie that this server signed."""
        cookie = self.get_signed_cookie("phone")
        return cookie.decode() if cookie else None

    def prepare(self) -> None:
        """A wrong code leads nowhere."""
        given = self.path_kwargs.pop("code", None)
        if given is not None and not compare_digest(given.upper().encode(), self.room.code.encode()):
            self.say(404, "There is no room with this code.")


class Nowhere(Handler):
    """All other paths."""

    def prepare(self) -> None:
        """A sentence."""
        self.say(404, "There is no such page in this room.")


class Page(Phone):
    """The page itself; it makes the two cookies."""

    def prepare(self) -> None:
        """For any code: the page itself says when it is wrong."""

    def get(self, **_: str) -> None:
        """HTML."""
        if not self.me():
            self.set_signed_cookie(
                "phone", secrets.token_hex(8), httponly=True, samesite="Strict", expires_days=1
            )
        _ = self.xsrf_token  # set as a cookie, which the page sends back with its answer
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish((HERE / "phone.html").read_bytes())


class File(Phone):
    """Script and style of the page."""

    def get(self, name: str) -> None:
        """One of `PAGES`."""
        self.set_header("Content-Type", f"{PAGES[name]}; charset=utf-8")
        self.finish((HERE / name).read_bytes())


class Now(Phone):
    """What the phones ask for every second or two."""

    def get(self) -> None:
        """The open question, this phone's answer to it and, once it is out, the measured value."""
        question = self.room.now
        if question is None:
            self.finish({"question": None})
            return
        self.finish({
            "question": {
                "key": question.key, "text": question.text, "kind": question.kind,
                "choices": question.choices,
                "round": question.round,
            },
            "mine": question.answers.get(self.me() or ""),
            "revealed": question.revealed,
            "measured": question.measured,
        })  # fmt: skip


class Answer(Phone):
    """A phone's answer."""

    def post(self) -> None:
        """JSON {"key", "value"} → {"mine"}."""
        me = self.me()
        if me is None:
            self.say(403, "Open the room's page first, with cookies allowed.")
        # a person changes an answer now and then; behind one address there may be a whole room
        elif not (self.room.may(me, 8, 1.0) and self.room.may(f"@{self.request.remote_ip}", 600, 100.0)):
            self.say(429, "That was too fast: wait some seconds.")
        else:
            try:
                given = self.body()
                self.finish({"mine": self.room.answer(given.get("key"), me, given.get("value"))})
            except ValueError as error:
                self.say(400, str(error))


class Desk(Handler):
    """The lecturer's kernel; it shows the desk's token."""

    largest = LARGEST_QUESTION

    def check_xsrf_cookie(self) -> None:
        """Not needed: the token comes with no cookie."""

    def prepare(self) -> None:
        """Nobody without the token."""
        given = self.request.headers.get("Authorization", "")
        if not compare_digest(given.encode(), f"token {self.room.desk}".encode()):
            self.say(403, "Only the lecturer's desk may ask this.")

    def post(self, what: str) -> None:
        """ask {key, text, kind, choices} · count {key} · reveal {key, measured} · anew {key}."""
        try:
            given = self.body()
            if what == "ask":
                question = self.room.ask(
                    given.get("key"), given.get("text"), given.get("kind"), given.get("choices")
                )
            else:
                question = self.room.questions.get(str(given.get("key")))
                if question is None:
                    self.say(404, "The room was not asked this.")
                    return
        except ValueError as error:
            self.say(400, str(error))
            return
        if what == "reveal":
            measured = given.get("measured")
            question.measured = measured if isinstance(measured, str | int | float) else None
            question.revealed = True
            self.written()
        elif what == "anew":
            question.answers, question.measured, question.revealed = {}, None, False
            question.round += 1
        answers = sorted(question.answers.values()) if what == "reveal" else None
        self.finish({
            "code": self.room.code, "n": len(question.answers), "revealed": question.revealed,
            "answers": answers,
            "choices": question.choices,
        })  # fmt: skip


class Notes(Handler):
    """The lecturer's window. Its address has the desk's token;
    it is read on the room's machine, or through a hub's proxy."""

    def get(self, desk: str) -> None:
        """HTML of the lecture that asked last, or of ?lecture=NN."""
        mine = compare_digest(desk.encode(), self.room.desk.encode())
        if not mine or self.request.remote_ip not in ("127.0.0.1", "::1"):
            self.say(404, "There is no such page in this room.")
            return
        asked = self.room.now.key[:2] if self.room.now else None
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(notes.page(assets.lectures(), self.get_query_argument("lecture", asked)))


def application(
    room: Room, prefix: str = "/", written: Callable[[], None] = lambda: None
) -> tornado.web.Application:
    """The server's pages; ``written`` is called when a result is out."""
    with_room = {"room": room, "written": written}
    pages = [
        (r"desk/(ask|count|reveal|anew)", Desk),
        (r"(phone\.js|notes\.js|phone\.css)", File),
        (r"notes/([\w-]+)", Notes),
        (r"(?P<code>[A-Za-z0-9]{5})/now", Now),
        (r"(?P<code>[A-Za-z0-9]{5})/answer", Answer),
        (r"(?P<code>[A-Za-z0-9]{5})", Page),
        (r"", Page),
    ]
    return tornado.web.Application(
        [(prefix + pattern, handler, with_room) for pattern, handler in pages],
        default_handler_class=Nowhere,
        default_handler_args=with_room,
        cookie_secret=secrets.token_hex(16),
        xsrf_cookies=True,
        xsrf_cookie_kwargs={"samesite": "Strict"},
        log_function=lambda _: None,  # who asks for what is nobody's business
    )


# ------------------------------------------------------------------------------------------------- the server


def own_address() -> str:
    """This machine's address in its network, as phones there see it; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.255.255.255", 1))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def bind(port: int | None, lan: bool) -> socket.socket:
    """A listening socket, on loopback only unless ``lan``; without ``port`` on 8765 or the next free one.

    Raises:
        OSError: the port is taken; the message says what to do.
    """
    address = "0.0.0.0" if lan else "127.0.0.1"
    for tried in [port] if port is not None else range(PORT, PORT + 20):
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if os.name == "posix":  # elsewhere this would let two rooms share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((address, tried))
            listening.listen(512)  # a whole room presses at once
        except OSError:
            listening.close()
            continue
        listening.setblocking(False)
        return listening
    where = f"Port {port} is" if port is not None else f"The ports {PORT} to {PORT + 19} are"
    raise OSError(f"{where} taken: name a free one with --port.")


async def serve(
    session: Room,
    listening: socket.socket,
    *,
    prefix: str = "/",
    keep: Path | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve the room until ``stop`` is set, or until Ctrl-C or a signal to stop; then write ``keep``."""
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no such handlers, nor has a thread that is not the main one.
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, stop.set)

    def written() -> None:
        if keep is not None:
            session.write_csv(keep)

    server = tornado.httpserver.HTTPServer(
        application(session, prefix, written),
        max_body_size=LARGEST_QUESTION,  # what is longer is refused before it is read
        max_buffer_size=2 * LARGEST_QUESTION,
        idle_connection_timeout=60,
        body_timeout=10,
    )
    server.add_socket(listening)
    try:
        await stop.wait()
    finally:
        server.stop()
        written()
        await server.close_all_connections()


def run(
    port: int | None = None,
    lan: bool = False,
    url: str | None = None,
    keep: Path | None = None,
    say: Callable[[str], Any] = print,
) -> None:
    """What ``ssl-course room`` does.

    As a service that JupyterHub manages it listens where the hub says,
    and its desk's token is $SSL_COURSE_ROOM_DESK.

    Args:
        port: 8765 or the next free one by default.
        lan: whether phones in this network may reach it.
        url: under which phones reach it, where that is not this machine's own address.
        keep: CSV file of the answers.
        say: prints a line.

    Raises:
        OSError: the port is taken, a room is open already, or ``keep`` cannot be written;
            the message says what to do.
    """
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/")
    managed = prefix != "/"
    if not managed and (other := room.find()) is not None:
        raise OSError(
            f"A room is open already: stop it first (Ctrl-C where it runs). Your notes in it: {other.notes}"
        )
    if keep is not None:
        if keep.exists() and keep.stat().st_size:
            raise OSError(f"{keep} exists, and would be written over: name another with --csv.")
        open(keep, "a", encoding="utf-8").close()  # an error now, and not when the lecture is over
    if managed:
        port = int(os.environ["JUPYTERHUB_SERVICE_URL"].rsplit(":", 1)[1].split("/")[0])
    listening = bind(port, lan)
    port = listening.getsockname()[1]
    session = Room(desk=os.environ.get("SSL_COURSE_ROOM_DESK") if managed else None)
    here = f"http://127.0.0.1:{port}{prefix}"
    there = url.rstrip("/") + "/" if url else f"http://{own_address()}:{port}/" if lan else here
    place = None if managed else room.place()
    desk = room.Desk(here, there, session.desk)
    if place is not None:
        room.leave_word(place, asdict(desk))
    say(f"The room is open: {there}{session.code}")
    if lan:
        say(
            f"Everybody in this network can reach port {port} of this machine: the page with the question "
            "and its answers' form, and nothing else. It closes when this stops."
        )
        if "//127." in there:
            say(
                "No route leads out of this machine, so phones cannot open that address: name one that "
                f"they reach, of your hotspot perhaps, with --url http://ADDRESS:{port}"
            )
    elif not managed and not url:
        say("Only this machine reaches it; phones do with: ssl-course room --lan")
    say(
        f"Answers are kept in {keep}."
        if keep
        else "Answers are forgotten when it stops (--csv FILE keeps them)."
    )
    if not managed:
        say(f"Your notes and a clock, for a window of your own: {desk.notes}")
    say("The lecture's *Predict first* cells show it from now on. Ctrl-C closes it.")
    try:
        asyncio.run(serve(session, listening, prefix=prefix, keep=keep))
    finally:
        if place is not None:
            place.unlink(missing_ok=True)
