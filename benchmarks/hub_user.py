"""A scripted student of a hub: logs in, starts a server and a kernel, runs cells, moves a slider. No browser."""

from __future__ import annotations

import http.cookiejar
import json
import struct
import time
import urllib.parse
import urllib.request
import uuid
from datetime import UTC, datetime
from typing import Any

import websocket


class HubUser:
    """One account, over REST and the kernel's websocket protocol.

    Args:
        hub: the hub's address, without a slash at its end.
        name: of the account.
        password: the first one that is given is kept.
    """

    def __init__(self, hub: str, name: str, password: str) -> None:
        self.hub, self.name = hub, name
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.jar)
        )
        self.token = ""
        self.open(f"{hub}/hub/login")
        form = urllib.parse.urlencode({"username": name, "password": password, "_xsrf": self.xsrf()})
        self.open(f"{hub}/hub/login?next=%2Fhub%2Fhome", data=form.encode())
        headers = {
            "X-XSRFToken": self.xsrf(),
            "Referer": f"{hub}/hub/token",
            "Content-Type": "application/json",
        }
        made = self.open(f"{hub}/hub/api/users/{name}/tokens", data=b"{}", headers=headers)
        self.token = json.loads(made)["token"]

    def xsrf(self) -> str:
        """The hub's token against forged forms."""
        return next((c.value or "" for c in self.jar if c.name == "_xsrf"), "")

    def open(
        self,
        url: str,
        data: bytes | None = None,
        method: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        """One request; raises HTTPError for what is refused."""
        given = {"Authorization": f"token {self.token}"} if self.token else {}
        request = urllib.request.Request(url, data, given | (headers or {}), method=method)
        with self.opener.open(request, timeout=120) as answer:
            return bytes(answer.read())

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """A call below the hub's address, JSON in and out; "user/NAME/…" goes to a server."""
        data = None if body is None else json.dumps(body).encode()
        answer = self.open(f"{self.hub}/{path}", data, method, {"Content-Type": "application/json"})
        return json.loads(answer) if answer else None

    # ---- the server ----

    def start(self, seconds: float = 300) -> None:
        """Start the server and wait until it answers."""
        self.api("POST", f"hub/api/users/{self.name}/server")
        end = time.monotonic() + seconds
        while not self.running():
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name}'s server did not start in {seconds:g} s")
            time.sleep(0.3)

    def running(self) -> bool:
        """Whether the server is up."""
        servers = self.api("GET", f"hub/api/users/{self.name}")["servers"]
        return bool(servers) and bool(servers[""]["ready"])

    def stop(self) -> None:
        """Stop the server."""
        self.api("DELETE", f"hub/api/users/{self.name}/server")

    def file(self, path: str) -> Any:
        """A file of the account's, as Jupyter's contents service gives it."""
        return self.api("GET", f"user/{self.name}/api/contents/{urllib.parse.quote(path)}")

    def kernel(self, path: str = "lectures") -> Kernel:
        """A new kernel, started in that folder."""
        made = self.api(
            "POST", f"user/{self.name}/api/kernels", {"name": "python3", "path": f"{path}/none.ipynb"}
        )
        return Kernel(self, made["id"])


class Kernel:
    """A kernel, reached through the proxy."""

    def __init__(self, user: HubUser, number: str) -> None:
        self.user, self.number = user, number
        self.models: dict[str, dict[str, Any]] = {}  # widget → its state, as far as it was sent
        self.bytes = 0
        address = user.hub.replace("http", "ws", 1)
        self.socket = websocket.create_connection(
            f"{address}/user/{user.name}/api/kernels/{number}/channels",
            header=[f"Authorization: token {user.token}"], timeout=300,
        )  # fmt: skip

    def send(self, channel: str, kind: str, content: dict[str, Any]) -> str:
        """A message to the kernel; returns its id."""
        number = uuid.uuid4().hex
        header = {"msg_id": number, "msg_type": kind, "username": "", "session": self.number, "version": "5.3",
                  "date": datetime.now(UTC).isoformat()}  # fmt: skip
        message = {
            "channel": channel,
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "buffers": [],
        }
        self.socket.send(json.dumps(message))
        return number

    def receive(self) -> dict[str, Any]:
        """The next message; states of widgets are kept in `models`."""
        data = self.socket.recv()
        self.bytes += len(data)
        if isinstance(data, bytes):  # with buffers: offsets, the JSON, the buffers
            (count,) = struct.unpack(">I", data[:4])
            at = struct.unpack(f">{count}I", data[4 : 4 + 4 * count])
            data = data[at[0] : at[1] if count > 1 else None].decode()
        message: dict[str, Any] = json.loads(data)
        content = message["content"]
        if message["header"]["msg_type"] == "comm_open":
            self.models[content["comm_id"]] = dict(content["data"].get("state", {}))
        elif message["header"]["msg_type"] == "comm_msg" and content["data"].get("method") == "update":
            self.models.setdefault(content["comm_id"], {}).update(content["data"]["state"])
        return message

    def run(self, code: str) -> str:
        """Run a cell; returns what it printed.

        Raises:
            RuntimeError: the cell raised.
        """
        number, printed, error = self.send("shell", "execute_request", {
            "code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False,
            "stop_on_error": True,
        }), [], ""  # fmt: skip
        while True:
            message = self.receive()
            kind, content = message["header"]["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != number:
                continue
            if kind == "stream":
                printed.append(content["text"])
            elif kind == "execute_result":
                printed.append(content["data"].get("text/plain", ""))
            elif kind == "error":
                error = f"{content['ename']}: {content['evalue']}"
            elif kind == "status" and content["execution_state"] == "idle":
                break
        if error:
            raise RuntimeError(error)
        return "".join(printed)

    def set(self, comm: str, **state: Any) -> None:
        """What the browser sends when a control is moved."""
        self.send(
            "shell",
            "comm_msg",
            {"comm_id": comm, "data": {"method": "update", "state": state, "buffer_paths": []}},
        )
        self.models[comm].update(state)

    def move(self, comm: str, value: float, seconds: float = 60) -> float:
        """Move a slider, and wait for the next whole frame of a canvas; returns the seconds that it took."""
        began = time.perf_counter()
        self.set(comm, value=value)
        while time.perf_counter() - began < seconds:
            message = self.receive()
            if message["header"]["msg_type"] == "comm_msg" and "_frame" in message["content"]["data"].get(
                "state", {}
            ):
                return time.perf_counter() - began
        raise TimeoutError(f"no frame within {seconds:g} s")

    def slider(self, description: str) -> str:
        """The model of the last slider with this description."""
        comms = [c for c, s in self.models.items() if s.get("description") == description and "value" in s]
        if not comms:
            there = sorted(
                {str(s["description"]) for s in self.models.values() if s.get("description") and "value" in s}
            )
            raise LookupError(f"no control {description!r}; there are {', '.join(there)}")
        return comms[-1]

    def close(self) -> None:
        """Leave the kernel, which goes on."""
        self.socket.close()
