"""The room: what it takes as an answer, what it keeps, how many it bears, and that without it all is as before."""

import asyncio
import csv
import html
import http.client
import http.cookiejar
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from ssl_course.course import lecture, room
from ssl_course.course.room import server
from ssl_course.course.room.server import MOST_PHONES, Bucket, Question, Room, bind

ROOT = Path(__file__).parents[2]
NUMBER = ("09-spread", "What is the spread?", "number", [])
CHOICE = ("09-back", "What happens?", "choice", ["they spread again", "they stay", "half-way"])


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_COURSE_KEPT", str(tmp_path / "kept"))
    monkeypatch.delenv("SSL_COURSE_ROOM", raising=False)


def start(*options, wait=True):
    """`ssl-course room` as a lecturer starts it, on a free port."""
    argv = [sys.executable, "-u", "-m", "ssl_course", "room", *options]
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    end = time.monotonic() + 60
    while wait and room.find() is None:
        assert process.poll() is None and time.monotonic() < end, process.communicate()[0]
        time.sleep(0.05)
    return process


def stop(process):
    process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
    return process.communicate(timeout=30)[0]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture
def opened():
    process = start("--port", free_port())
    yield room.find()
    stop(process)


class Phone:
    """What a browser does, without one."""

    def __init__(self, desk, code):
        self.base = f"{desk.url}{code}"
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.jar)
        )
        self.opener.open(self.base, timeout=10).read()

    def cookie(self, name):
        return next(c.value for c in self.jar if c.name == name)

    def now(self):
        return json.loads(self.opener.open(f"{self.base}/now", timeout=10).read())

    def post(self, body, token=None):
        """(status, JSON)"""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}/answer", data, method="POST")
        request.add_header("X-XSRFToken", self.cookie("_xsrf") if token is None else token)
        try:
            with self.opener.open(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")

    def answer(self, key, value):
        return self.post({"key": key, "value": value})


# ---- what is an answer --------------------------------------------------------------------------------------------

BAD_NUMBERS = [None, True, [], {}, [1], "", " ", "many", "nan", "inf", "-inf", "1e999", 1e301, "1" * 400, "0x10",
               "3 4 five", "１２a", "<b>1</b>", "=1+1"]  # fmt: skip


@pytest.mark.parametrize("value", BAD_NUMBERS, ids=[repr(v)[:20] for v in BAD_NUMBERS])
def test_what_is_no_number_is_no_answer(value):
    with pytest.raises(ValueError, match=r"number"):
        Question(*NUMBER).read(value)


@pytest.mark.parametrize(
    "value, read", [(3, 3), ("25 %", 0.25), ("1,024", 1024), ("−2", -2), (".5", 0.5), ("2e3", 2000)]
)
def test_numbers_are_read_as_in_the_lecture(value, read):
    assert Question(*NUMBER).read(value) == read


@pytest.mark.parametrize("value", [None, 0, True, [], "they", "they stay ", ["they stay"], {"a": 1}])
def test_only_the_choices_on_offer_are_answers(value):
    with pytest.raises(ValueError, match="Choose one"):
        Question(*CHOICE).read(value)
    assert Question(*CHOICE).read("they stay") == "they stay"


def test_one_answer_a_phone_changeable_until_the_result_is_out():
    session = Room()
    question = session.ask(*NUMBER)
    session.answer("09-spread", "a", 1)
    session.answer("09-spread", "a", 2)
    session.answer("09-spread", "b", 5)
    assert question.answers == {"a": 2, "b": 5}
    session.ask(*NUMBER)  # a kernel that was lost asks again: nothing is
    assert session.now.answers == {"a": 2, "b": 5}
    with pytest.raises(ValueError, match="no longer open"):
        session.answer("09-other", "a", 1)
    session.ask(*CHOICE)
    with pytest.raises(ValueError, match="no longer open"):
        session.answer("09-spread", "a", 1)
    session.ask(*NUMBER).revealed = True
    with pytest.raises(ValueError, match="no longer be changed"):
        session.answer("09-spread", "a", 1)
    assert session.questions["09-spread"].answers["a"] == 2


def test_a_full_room_takes_no_more_phones_and_lets_those_inside_change():
    session = Room()
    session.ask(*NUMBER)
    for k in range(MOST_PHONES):
        session.answer("09-spread", f"p{k}", k)
    with pytest.raises(ValueError, match="full"):
        session.answer("09-spread", "one more", 1)
    session.answer("09-spread", "p3", 7)
    assert len(session.now.answers) == MOST_PHONES


def test_a_bucket_gives_what_it_holds_and_then_its_rate():
    bucket = Bucket(full=3, rate=0.5)
    assert [bucket.take(10.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(11.0) and bucket.take(12.0) and not bucket.take(12.0)


def test_who_was_seen_long_ago_is_forgotten():
    session = Room()
    for k in range(5 * MOST_PHONES):
        session.may(f"p{k}", 2, 1)
    assert len(session._buckets) == 4 * MOST_PHONES


# ---- the server ---------------------------------------------------------------------------------------------------


def test_phones_answer_and_the_lecture_shows_them(opened):
    asked = room.ask(*NUMBER)
    first, second = Phone(opened, asked.state["code"]), Phone(opened, asked.state["code"].lower())
    assert first.now()["question"]["text"] == NUMBER[1] and first.now()["mine"] is None
    assert first.answer("09-spread", "0.3") == (200, {"mine": 0.3})
    assert second.answer("09-spread", "25 %") == (200, {"mine": 0.25})
    assert first.answer("09-spread", "0.5") == (200, {"mine": 0.5})
    assert room.ask(*NUMBER).state["n"] == 2
    shown = lecture.reveal("09-spread", 0.4).html
    assert "The room, 2 answers" in shown and "Measured: 0.4" in shown
    after = first.now()
    assert after["revealed"] and after["measured"] == 0.4 and after["mine"] == 0.5
    status, why = first.answer("09-spread", "0.4")
    assert status == 400 and "no longer be changed" in why["error"]


BAD_BODIES = [b"", b"[]", b"7", b"{", b"\xff\xfe", b'{"key": 1}', b'{"key": "09-spread"}', b"[" * 3000,
              b'{"key": "09-spread", "value": {"a": 1}}', b'{"key": "09-spread", "value": "' + b"9" * 5000 + b'"}',
              b'{"key": ["09-spread"], "value": 1}']  # fmt: skip


def test_whatever_a_phone_sends_it_gets_a_sentence_and_no_answer_is_lost(opened):
    asked = room.ask(*NUMBER)
    code = asked.state["code"]
    good = Phone(opened, code)
    assert good.answer("09-spread", 1)[0] == 200
    for body in BAD_BODIES:
        status, said = Phone(opened, code).post(body)
        assert status == 400 and said["error"].endswith("."), body
    with socket.create_connection(("127.0.0.1", int(opened.url.split(":")[2].strip("/"))), timeout=10) as raw:
        raw.sendall(f"POST /{code}/answer HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n".encode())
        assert b" 400 " in raw.recv(200)  # refused before it was read
    assert (
        Phone(opened, code).post({"key": "09-spread", "value": 1}, token="")[0] == 403
    )  # another page's form
    wrong = Phone(opened, "AAAAA" if code != "AAAAA" else "BBBBB")
    with pytest.raises(urllib.error.HTTPError) as refused:
        wrong.now()
    assert "no room with this code" in json.loads(refused.value.read())["error"]
    assert asked.desk.post("count", key="09-spread")["n"] == 1


def test_a_phone_that_floods_is_held_up_and_its_answer_stays(opened):
    phone = Phone(opened, room.ask(*NUMBER).state["code"])
    statuses = [phone.answer("09-spread", k)[0] for k in range(30)]
    assert statuses[:8] == [200] * 8 and 429 in statuses
    assert phone.now()["mine"] in range(30)


def test_a_cookie_of_one_s_own_making_is_no_phone(opened):
    phone = Phone(opened, room.ask(*NUMBER).state["code"])
    for cookie in phone.jar:
        if cookie.name == "phone":
            cookie.value = cookie.value.replace("phone", "other")
    status, said = phone.answer("09-spread", 1)
    assert status == 403 and "cookies" in said["error"]


def test_the_desk_answers_only_to_its_token(opened):
    stranger = room.Desk(opened.url, opened.phones, "guessed")
    for what in ("ask", "count", "reveal", "anew"):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            stranger.post(what, key="09-spread")


def test_a_second_room_says_so(opened):
    refused = start("--port", free_port(), wait=False)
    assert "open already" in refused.communicate(timeout=60)[0] and refused.returncode == 1


def test_a_taken_port_says_so():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"Port {port} is taken: name a free one with --port"):
            bind(port, lan=False)


def test_loopback_unless_the_lecturer_asks_for_more():
    for lan, address in ((False, "127.0.0.1"), (True, "0.0.0.0")):
        with bind(0, lan) as listening:
            assert listening.getsockname()[0] == address


@pytest.mark.parametrize("address, url, said", [
    ("127.0.0.1", None, True), ("192.168.1.7", None, False), ("127.0.0.1", "http://10.42.0.1:8765", False),
])  # fmt: skip
def test_an_address_that_phones_cannot_reach_is_called_so(monkeypatch, address, url, said):
    async def nobody_comes(*_, **__):
        pass

    monkeypatch.setattr(server, "own_address", lambda: address)
    monkeypatch.setattr(server, "serve", nobody_comes)
    lines = []
    server.run(port=0, lan=True, url=url, say=lines.append)
    assert any("phones cannot open that address" in line and "--url" in line for line in lines) == said


def test_nothing_is_kept_unless_asked(tmp_path):
    process = start("--port", free_port())
    Phone(room.find(), room.ask(*NUMBER).state["code"]).answer("09-spread", 1)
    printed = stop(process)
    assert "forgotten when it stops" in printed and room.find() is None
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


@pytest.mark.skipif(os.name != "posix", reason="no test can press Ctrl-C there")
def test_the_answers_as_a_table(tmp_path):
    file = tmp_path / "answers.csv"
    process = start("--port", free_port(), "--csv", str(file))
    asked = room.ask(*NUMBER)
    for value in (3, 1, 2):
        Phone(room.find(), asked.state["code"]).answer("09-spread", value)
    asked.desk.post("reveal", key="09-spread", measured=1.5)
    room.ask(*CHOICE)
    Phone(room.find(), asked.state["code"]).answer("09-back", "they stay")
    stop(process)
    rows = list(csv.reader(file.read_text(encoding="utf-8").splitlines()))
    assert rows == [
        ["key", "question", "answer", "measured"],
        *(["09-spread", NUMBER[1], a, "1.5"] for a in ("1.0", "2.0", "3.0")),
        ["09-back", CHOICE[1], "they stay", ""],
    ]
    again = start("--csv", str(file), wait=False)
    assert "written over" in again.communicate(timeout=60)[0] and again.returncode == 1


def test_on_a_hub_the_service_lies_below_its_prefix_and_the_lecturer_s_server_knows_the_way(monkeypatch):
    port = free_port()
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/services/room/")
    monkeypatch.setenv("JUPYTERHUB_SERVICE_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("SSL_COURSE_ROOM_DESK", "of-the-hub")
    url = f"http://127.0.0.1:{port}/services/room/"
    monkeypatch.setenv(
        "SSL_COURSE_ROOM", json.dumps({"url": url, "phones": "https://hub/room/", "desk": "of-the-hub"})
    )
    process = start()
    try:
        asked = room.ask(*NUMBER)
        assert "https://hub/room/" + asked.state["code"] in asked.html()
        assert Phone(room.find(), asked.state["code"]).answer("09-spread", 1)[0] == 200
        assert not room.place().exists()
    finally:
        stop(process)


# ---- the lecturer's window ----------------------------------------------------------------------------------------


def words(text):
    """Less tags, marks and line breaks."""
    return " ".join(re.sub(r"[*`]", "", html.unescape(re.sub(r"<[^>]+>", "", text))).split())


def test_the_desk_has_a_window_with_the_notes_of_the_lecture_that_asks(opened):
    room.ask(*NUMBER)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for lecture_, address in (("09", opened.notes), ("03", f"{opened.notes}?lecture=03")):
        shown = words(direct.open(address, timeout=10).read().decode())
        book = json.loads(next((ROOT / "lectures").glob(f"{lecture_}_*.ipynb")).read_text(encoding="utf-8"))
        own = [c for c in book["cells"] if c["metadata"].get("slideshow", {}).get("slide_type") == "notes"]
        assert own and all(words("".join(c["source"])) in shown for c in own)
        assert words(book["cells"][0]["source"][0].lstrip("# ")) in shown


@pytest.mark.skipif(sys.platform != "linux", reason="another address of this machine")
def test_notes_are_for_the_desk_alone(opened):
    code = room.ask(*NUMBER).state["code"]
    notes = urlsplit(opened.notes)
    for path, source in (
        (notes.path, "127.0.0.2"),  # as a phone that has heard the token
        ("/notes/" + "a" * len(opened.desk), "127.0.0.1"),
        (f"/notes/{code}", "127.0.0.1"),
        ("/notes/", "127.0.0.1"),
    ):
        asking = http.client.HTTPConnection("127.0.0.1", notes.port, timeout=10, source_address=(source, 0))
        asking.request("GET", path)
        answer = asking.getresponse()
        assert answer.status == 404 and b"lecturer" not in answer.read()
    assert opened.desk not in room.ask(*NUMBER).html()


# ---- the lecture --------------------------------------------------------------------------------------------------


def test_without_a_room_nothing_changes(tmp_path):
    before = len(lecture.predict("09-x", "How many?").box.children)
    alone = lecture.reveal("09-x", 3).html
    room.leave_word(
        room.place(), {"url": "http://127.0.0.1:9/", "phones": "", "desk": ""}
    )  # of a room that was killed
    assert len(lecture.predict("09-x", "How many?").box.children) == before
    assert lecture.reveal("09-x", 3).html == alone
    for damaged in ("", "{", "[]", "{}"):
        room.place().write_text(damaged)
        assert room.find() is None


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps a user's folder by other means")
def test_the_word_that_a_room_leaves_is_for_its_owner_alone(opened):
    assert room.place().stat().st_mode & 0o077 == 0


def test_the_deck_shows_the_code_and_the_count_as_it_grows(opened):
    prediction = lecture.predict("09-spread", NUMBER[1])
    shown = next(w for w in prediction.box.children if "ssl-room" in getattr(w, "value", ""))
    code = re.search(r"<code[^>]*>http://[^<]*/(\w{5})</code>", shown.value)[1]
    assert "<svg" in shown.value and '<b style="font-size:1.6em">0</b> answers' in shown.value
    Phone(opened, code).answer("09-spread", 2)
    end = time.monotonic() + 30
    while ">1</b> answer<" not in shown.value and time.monotonic() < end:
        time.sleep(0.05)
    assert ">1</b> answer<" in shown.value
    anew = next(w for w in prediction.box.children if getattr(w, "description", "").startswith("Ask"))
    anew.click()
    assert ">0</b> answers" in shown.value and Phone(opened, code).now()["question"]["round"] == 1


def alt(drawn):
    return html.unescape(re.search(r'alt="([^"]*)"', drawn)[1])


def histogram(opened, question, answers, measured):
    asked = room.ask(*question)
    for answer in answers:
        assert Phone(opened, asked.state["code"]).answer(question[0], answer)[0] == 200
    return room.reveal(question[0], measured)


def test_choices_are_counted_and_the_measured_one_is_marked(opened):
    drawn = histogram(opened, CHOICE, ["they stay", "half-way", "they stay"], "half-way")
    assert "they spread again: 0; they stay: 2; half-way, measured: 1." in alt(drawn)


def test_numbers_are_all_counted_whatever_a_joker_sends(opened):
    drawn = histogram(opened, NUMBER, [0.1, 0.2, 0.3, "1e200", "-1e200", 0.2], 0.25)
    counts = [
        int(n)
        for n in re.findall(
            r"font-size=.14. text-anchor=.middle. [^>]*>(\d+)<", urllib.request.unquote(drawn)
        )
    ]
    assert sum(counts) == 6
    assert "Measured: 0.25" in alt(drawn)


@pytest.mark.parametrize("answers", [[3], [0, 0], [-1, -1e-9], [1e-12, 1e12], [5, 5, 5]])
@pytest.mark.parametrize("measured", [3, 0.0, -2.5, float("inf"), float("nan"), None])
def test_any_numbers_make_a_histogram(answers, measured):
    sheet, words = room._numbers(sorted(map(float, answers)), measured)
    svg = sheet.svg()
    assert "nan" not in svg and "inf" not in svg and words.startswith("The middle answer")


# ---- three hundred phones -----------------------------------------------------------------------------------------


def memory(process):
    return (
        int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8"))[1])
        / 1024
    )


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_three_hundred_phones_at_once_all_count_in_bounded_memory(build):
    """Loopback only; the times are written down, not judged: another process may have the machine."""
    process = start("--port", free_port())
    desk = room.find()
    asked = room.ask(*NUMBER)
    before, took = memory(process), []

    async def phone(client, k):
        page = await client.fetch(f"{desk.url}{asked.state['code']}", request_timeout=60)
        cookies = "; ".join(c.split(";")[0] for c in page.headers.get_list("Set-Cookie"))
        token = re.search(r"_xsrf=([^;]*)", cookies)[1]
        began = time.perf_counter()
        for value in (k, k % 30):  # each changes its mind once
            await client.fetch(HTTPRequest(
                f"{desk.url}{asked.state['code']}/answer", "POST", {"Cookie": cookies, "X-XSRFToken": token},
                json.dumps({"key": "09-spread", "value": value}), request_timeout=60, connect_timeout=60,
            ))  # fmt: skip
        took.append((time.perf_counter() - began) / 2)

    async def everybody():
        AsyncHTTPClient.configure(None, max_clients=300)
        client = AsyncHTTPClient(force_instance=True)
        await asyncio.gather(*(phone(client, k) for k in range(300)))
        client.close()

    asyncio.run(everybody())
    began = time.perf_counter()
    found = desk.post("reveal", key="09-spread", measured=14.5)
    svg = room._numbers(found["answers"], 14.5)[0].svg()
    took.sort()
    report = {"median_s": took[150], "p95_s": took[285], "histogram_s": time.perf_counter() - began}
    report["grown_mb"] = memory(process) - before
    (build / "room.json").write_text(json.dumps(report, indent=1))
    stop(process)
    assert sorted(found["answers"]) == sorted(
        float(k % 30) for k in range(300)
    )  # each counts once, with its last word
    assert report["grown_mb"] < 60 and len(svg) < 10_000
