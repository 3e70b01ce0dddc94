"""A class on one machine: ``make class``, as root. What each number rests on stands in deploy/README.md.

Students log in with a name and a password that they choose the first time. Each has an account of the system of their
own (ssl-NAME), so none can read another's files, and a server with the lectures in it.
"""

import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from jupyterhub.spawner import LocalProcessSpawner, set_user_setuid

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tools import classroom  # noqa: E402

c = get_config()  # noqa: F821

URL = os.environ.get("SSL_COURSE_CLASS_URL", "http://127.0.0.1:8000")  # where it listens
PUBLIC = os.environ.get("SSL_COURSE_CLASS_PUBLIC", URL)  # what students open, where that is another
LECTURER = os.environ.get("SSL_COURSE_CLASS_LECTURER", "lecturer")
STATE = Path(os.environ.get("SSL_COURSE_CLASS_STATE", ROOT / "build" / "class"))
MEMORY = float(
    os.environ.get("SSL_COURSE_CLASS_MEMORY", "2.5")
)  # GB that one process of a student may allocate
IDLE = int(os.environ.get("SSL_COURSE_CLASS_IDLE", "5400"))  # seconds
HOMES = Path(os.environ.get("SSL_COURSE_CLASS_HOMES", "/home"))

# ---- what must be there, in sentences -----------------------------------------------------------------------------

if os.geteuid() != 0:
    sys.exit(
        "A class needs one account of the system for each student, so only root can start it: sudo make class"
    )
if not classroom.PROXY.exists():
    sys.exit(
        "JupyterHub's proxy is missing: python -m tools.classroom installs it (Node.js and npm are needed)."
    )
if shutil.which("prlimit") is None:
    sys.exit(
        "prlimit, which limits what a student's kernel may take of the memory, is missing: install util-linux."
    )
if not classroom.others_can_run(sys.executable):
    sys.exit(
        f"Students' accounts cannot run {sys.executable}: install Python and the course where all users may look."
    )


def free(host: str, port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def any_port() -> int:
    """A free one on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


listens = urlsplit(URL)
if not free(listens.hostname, listens.port):
    sys.exit(
        f"Port {listens.port} is taken, perhaps by another hub: stop that one, or name another port with "
        f"SSL_COURSE_CLASS_URL=http://{listens.hostname}:8001."
    )

private = STATE / "private"  # passwords and the hub's memory
private.mkdir(parents=True, exist_ok=True)
private.chmod(0o700)
classroom.prepare(STATE)
# solutions, notes, history, and what is made of them: not for those with an account here
for secret in ("lectures", "tests", ".git", "build/assignment", "build/wheel", "build/site"):
    if (ROOT / secret).exists():
        (ROOT / secret).chmod((ROOT / secret).stat().st_mode & ~0o077)
if data := os.environ.get("SSL_COURSE_DATA"):
    look = ["find", "-H", data, "!", "-type", "l", "-perm", "-o+w", "-print", "-quit"]
    if open_to_all := subprocess.run(look, capture_output=True, text=True).stdout.strip():
        print(
            f"Students can change {open_to_all}, which all of them read: chmod -R o-w {data}",
            file=sys.stderr,
            flush=True,
        )

# ---- hub and proxy ------------------------------------------------------------------------------------------------

c.JupyterHub.bind_url = URL
c.JupyterHub.hub_port = any_port()
c.JupyterHub.cookie_secret_file = str(private / "cookie_secret")
c.JupyterHub.db_url = f"sqlite:///{private / 'hub.sqlite'}"
# A class starts together; who comes above a limit gets an error page and no place in a queue.
c.JupyterHub.concurrent_spawn_limit = 0
c.ConfigurableHTTPProxy.command = [str(classroom.PROXY)]
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{any_port()}"
c.ConfigurableHTTPProxy.pid_file = str(private / "proxy.pid")
c.JupyterHub.cleanup_servers = True  # what a student entered is in their files

# ---- who ----------------------------------------------------------------------------------------------------------

c.JupyterHub.authenticator_class = "firstuseauthenticator.FirstUseAuthenticator"
c.FirstUseAuthenticator.dbm_path = str(private / "passwords")
c.FirstUseAuthenticator.min_password_length = 8
c.Authenticator.username_pattern = r"^[a-z][a-z0-9]{0,23}$"
c.Authenticator.admin_users = {LECTURER}
if names := os.environ.get("SSL_COURSE_CLASS_STUDENTS"):  # a file, a name a line: nobody else gets in
    c.Authenticator.allowed_users = set(Path(names).read_text(encoding="utf-8").split())
else:
    c.Authenticator.allow_all = True

# ---- a student's account and server -------------------------------------------------------------------------------


class StudentSpawner(LocalProcessSpawner):
    """A local process under the student's own account, ssl-NAME: never under one that the machine had before."""

    @property
    def account(self) -> str:
        """The system's name of this student."""
        return f"ssl-{self.user.name}"

    def make_preexec_fn(self, name: str):  # noqa: ANN201
        """Become the student."""
        return set_user_setuid(self.account, chdir=False)

    def user_env(self, env: dict) -> dict:
        """The student's home."""
        home = pwd.getpwnam(self.account).pw_dir
        return env | {"USER": self.account, "HOME": home, "SHELL": "/bin/bash"}


def as_student(account: str) -> dict:
    """Arguments of subprocess for a process of the student's."""
    person = pwd.getpwnam(account)
    return {"user": person.pw_uid, "group": person.pw_gid, "extra_groups": [], "cwd": person.pw_dir}


def get_ready(spawner: StudentSpawner) -> None:
    """Before each start: the account, and in it the newest lectures, merged into what the student has."""
    account, home = spawner.account, HOMES / spawner.account
    try:
        pwd.getpwnam(account)
    except KeyError:
        subprocess.run(
            ["useradd", "--create-home", "--home-dir", str(home), "--user-group", "--shell", "/bin/bash", account],
            check=True, capture_output=True,
        )  # fmt: skip
    home.chmod(0o700)
    spawner.environment |= {
        "HOME": str(home),
        "JUPYTER_RUNTIME_DIR": str(home / ".run"),
    }  # sockets need short paths
    pull = [
        str(Path(sys.executable).with_name("gitpuller")),
        (STATE / "lectures.git").as_uri(),
        "lectures",
        "lectures",
    ]
    done = subprocess.run(
        pull, env=ENVIRONMENT | {"HOME": str(home), "PATH": os.environ["PATH"]}, capture_output=True, text=True,
        timeout=120, **as_student(account),
    )  # fmt: skip
    if done.returncode:  # the student works on with what is there
        spawner.log.error("No newer lectures for %s: %s", account, (done.stdout + done.stderr)[-800:])


room_port, room_desk = any_port(), secrets.token_urlsafe(24)
ENVIRONMENT = classroom.git_settings(STATE / "gitconfig", sys.executable, STATE / "lectures.git") | {
    "GIT_CEILING_DIRECTORIES": str(HOMES),  # no repository above a home is the student's
    "PYTHONPATH": str(STATE / "course"),
    "OMP_NUM_THREADS": "1",  # where cores are shared, threads only wait for each other
    "MKL_NUM_THREADS": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",
}
for shared in ("SSL_COURSE_DATA", "SSL_COURSE_MAX_STEPS"):
    if shared in os.environ:
        ENVIRONMENT[shared] = os.environ[shared]


def environment_of(spawner: StudentSpawner) -> dict:
    """The lecturer's *Predict first* cells know the way to the room."""
    prefix = f"http://127.0.0.1:{room_port}/services/room/"
    way = {"url": prefix, "phones": f"{PUBLIC.rstrip('/')}/services/room/", "desk": room_desk}
    return ENVIRONMENT | ({"SSL_COURSE_ROOM": json.dumps(way)} if spawner.user.name == LECTURER else {})


def before_start(spawner: StudentSpawner) -> None:
    """JupyterHub calls it for each server."""
    spawner.environment = environment_of(spawner)
    get_ready(spawner)


c.JupyterHub.spawner_class = StudentSpawner
c.Spawner.pre_spawn_hook = before_start
c.Spawner.notebook_dir = "~"
c.Spawner.default_url = "/lab/tree/lectures/00_start_here.ipynb"
c.Spawner.env_keep = ["PATH", "LANG", "LC_ALL"]
c.Spawner.start_timeout = c.Spawner.http_timeout = (
    300  # ten that start at once took 48 s, and the default is 30
)
limit = ["prlimit", f"--data={int(MEMORY * 2**30)}", "--core=0"]
c.Spawner.cmd = [*limit, sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args = [
    f"--LabApp.app_settings_dir={STATE / 'course' / 'assets' / 'jupyter'}",
    "--KernelManager.transport=ipc",  # on a shared machine others could listen to TCP
    "--MappingKernelManager.cull_idle_timeout=2700",  # a kernel whose page was closed 45 minutes ago
    "--ZMQChannelsWebsocketConnection.iopub_data_rate_limit=20000000",  # bytes a second: pictures while a slider moves
    '--ServerApp.tornado_settings={"websocket_max_message_size": 67108864}',
]

# ---- beside them: the culler and the room ---------------------------------------------------------------------------

c.JupyterHub.services = [
    {
        "name": "idle-culler",
        "command": [
            sys.executable,
            "-m",
            "jupyterhub_idle_culler",
            f"--timeout={IDLE}",
            f"--cull-every={max(IDLE // 6, 2)}",
        ],
    },
    {
        "name": "room",
        "url": f"http://127.0.0.1:{room_port}",
        "command": [sys.executable, "-m", "ssl_course", "room"],
        "environment": {"PYTHONPATH": str(ROOT), "SSL_COURSE_ROOM_DESK": room_desk},
    },
]
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["idle-culler"],
    }
]
