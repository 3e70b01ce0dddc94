"""A real hub as `make class` starts it: two students and the lecturer, lecture 01, a slider through the proxy, culled and
back with guesses kept, and nobody at another's."""

import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from hub_user import HubUser

from tools import classroom
from tools.build import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can start a class"),
]
STATE = ROOT / "build" / "test-class"
DATA = STATE / "data"
MADE = ("build/assignment", "build/wheel", "build/site")  # by `make`, from solutions
HOMES = Path(tempfile.gettempdir()) / f"ssl-class-{os.getpid()}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def config(**changes):
    return os.environ | {
        "SSL_COURSE_CLASS_STATE": str(STATE),
        "SSL_COURSE_CLASS_HOMES": str(HOMES),
        "SSL_COURSE_MAX_STEPS": "10",
        "PYTHONPATH": str(ROOT),
        **changes,
    }


def start(programs, **changes):
    argv = [programs / "jupyterhub", "--config", ROOT / "deploy" / "jupyterhub_config.py"]
    return subprocess.Popen(
        argv, cwd=STATE, env=config(**changes), stdout=open(STATE / "hub.log", "w", encoding="utf-8"), stderr=subprocess.STDOUT,
    )  # fmt: skip


class Hub:
    """A running one, with accounts of its own names, so that no account of this machine is touched."""

    def __init__(self, programs, **changes):
        self.url, self.mark = f"http://127.0.0.1:{free_port()}", secrets.token_hex(3)
        self.lecturer = f"l{self.mark}"
        self.process = start(
            programs, SSL_COURSE_CLASS_URL=self.url, SSL_COURSE_CLASS_LECTURER=self.lecturer, **changes
        )
        end = time.monotonic() + 120
        while True:
            try:
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                    f"{self.url}/hub/login", timeout=5
                )
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.stop()
                    raise AssertionError((STATE / "hub.log").read_text()[-3000:]) from None
                time.sleep(0.3)

    def user(self, role):
        return HubUser(self.url, f"{role}{self.mark}", f"password of {role}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for account in [
            p.pw_name
            for p in pwd.getpwall()
            if p.pw_name.startswith("ssl-") and p.pw_name.endswith(self.mark)
        ]:
            subprocess.run(["userdel", "--remove", account], capture_output=True)


@pytest.fixture(scope="module")
def programs_for_all(programs):
    """The same, where students' accounts can run them."""
    if not classroom.others_can_run(programs / "python"):
        why = "no Python here that other accounts can run"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    return programs


@pytest.fixture(scope="module")
def hub(programs_for_all):
    shutil.rmtree(STATE, ignore_errors=True)
    STATE.mkdir(parents=True)
    HOMES.mkdir()
    HOMES.chmod(0o755)
    (DATA / "open").mkdir(parents=True)
    (DATA / "open").chmod(0o777)
    made = [ROOT / name for name in MADE if not (ROOT / name).exists()]
    for folder in made:
        folder.mkdir()
    modes = {name: (ROOT / name).stat().st_mode for name in ("lectures", "tests", ".git", *MADE)}
    running = Hub(programs_for_all, SSL_COURSE_DATA=str(DATA))
    yield running
    running.stop()
    shutil.rmtree(HOMES, ignore_errors=True)
    for name, mode in modes.items():
        (ROOT / name).chmod(mode)
    for folder in made:
        folder.rmdir()


def cells(user):
    book = nbformat.from_dict(user.file("lectures/01_desert_forest_sea.ipynb")["content"])
    return [cell.source for cell in book.cells if cell.cell_type == "code"]


def test_a_class(hub, programs):
    with ThreadPoolExecutor(3) as pool:
        anna, ben, lecturer = users = list(pool.map(hub.user, ("a", "b", "l")))
        list(pool.map(HubUser.start, users))

    # what a student has: the lectures without solutions, and nothing of the others'
    names = {entry["name"] for entry in anna.file("lectures")["content"]}
    assert "09_collapse_and_how_to_avoid_it.ipynb" in names and "src" not in names
    text = "\n".join(cells(anna))
    assert "check.careless_labels(my_share)" in text and "verdict.passed" not in text

    # JupyterLab as the course sets it, in their own servers
    plugin = "@jupyterlab/apputils-extension:notification"
    settings = anna.api("GET", f"user/{anna.name}/lab/api/settings/{plugin}")["schema"]["properties"]
    assert settings["fetchNews"]["default"] == "false"

    # lecture 01 whole, in both students' kernels at once, then a slider through the proxy
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(HubUser.kernel, (anna, ben))
        assert (
            list(pool.map(lambda k: len([k.run(cell) for cell in cells(anna)]), (first, second)))
            == [len(cells(anna))] * 2
        )
    slider = next(
        c
        for c, s in first.models.items()
        if "FloatSlider" in str(s.get("_model_name")) and s.get("min") is not None
    )
    low, high = first.models[slider]["min"], first.models[slider]["max"]
    frames = [s["_frame"]["number"] for s in first.models.values() if "_frame" in s]
    for share in (0.25, 0.75):
        assert first.move(slider, low + share * (high - low)) > 0
    assert sum(s["_frame"]["number"] for s in first.models.values() if "_frame" in s) >= sum(frames) + 2

    # limits, threads, transport
    limits = json.loads(first.run(
        "import json, os, resource; print(json.dumps([resource.getrlimit(resource.RLIMIT_DATA)[0],"
        " os.environ['OMP_NUM_THREADS'], os.environ['USER']]))"
    ))  # fmt: skip
    assert limits == [int(2.5 * 2**30), "1", f"ssl-{anna.name}"]
    assert "MemoryError" in first.run(
        "try:\n    x = bytearray(3 * 2**30)\nexcept MemoryError as e:\n    print('MemoryError')"
    )

    # students may write no bytecode there: what is missing, each of their kernels compiles for itself
    # (torch.ops and torch.classes name a file, and are none)
    missing = first.run(
        "import sys; from importlib.util import cache_from_source as kept; from pathlib import Path; print(["
        "n for n, m in list(sys.modules.items()) if n.split('.')[0] in ('torch', 'ssl_course')"
        " and (file := str(getattr(m, '__file__', ''))).endswith('.py') and Path(file).is_absolute()"
        " and not Path(kept(file)).exists()])"
    )
    assert missing.strip() == "[]"

    # nobody at another's, by file or by address
    first.run(f"import os; open(os.path.expanduser('~/mine.txt'), 'w').write('{hub.mark}')")
    home = HOMES / f"ssl-{anna.name}"
    assert (home / "mine.txt").read_text() == hub.mark
    for path in (
        home / "mine.txt",
        home,
        STATE / "private" / "hub.sqlite",
        ROOT / "lectures" / "src",
        ROOT / "tests",
        *(ROOT / name for name in MADE),
    ):
        said = second.run(f"try:\n    import os; os.stat({str(path)!r}) and (os.listdir({str(path)!r}) if os.path.isdir({str(path)!r})"
                          f" else open({str(path)!r}).read()); print('open')\nexcept PermissionError: print('closed')")  # fmt: skip
        assert said.strip() == "closed", path
    for folder in (STATE / "course", STATE / "course" / "ssl_course", DATA):  # what all share
        said = second.run(
            f"try: open({str(folder / 'mine')!r}, 'w'); print('open')\nexcept PermissionError: print('closed')"
        )
        assert said.strip() == "closed", folder
    assert f"Students can change {DATA / 'open'}, which all" in (STATE / "hub.log").read_text()
    with pytest.raises(urllib.error.HTTPError) as refused:
        ben.api("GET", f"user/{anna.name}/api/contents/")
    assert refused.value.code == 403
    assert lecturer.api("GET", f"user/{anna.name}/api/contents/")["type"] == "directory"  # who helps may look

    # the room of the lecturer's server: students' servers do not know its desk
    desk = lecturer.kernel()
    asked = desk.run(
        "from ssl_course.course import room\na = room.ask('01-x', 'How many?', 'number', None)\nprint(a.desk.phones + a.state['code'])"
    ).strip()
    assert asked.startswith(f"{hub.url}/services/room/")
    page = (
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=20).read().decode()
    )
    assert "Predict first" in page
    assert second.run("from ssl_course.course import room\nprint(room.find())").strip() == "None"

    # culled, and back with the guess kept and the notebook that was edited
    first.run("from ssl_course.course import kept; print(repr(kept.put('01', '01-different', 7)))")
    book = anna.file("lectures/01_desert_forest_sea.ipynb")
    book["content"]["cells"][0]["source"] += "\nmine"
    anna.api("PUT", "user/" + anna.name + "/api/contents/lectures/01_desert_forest_sea.ipynb",
             {"type": "notebook", "format": "json", "content": book["content"]})  # fmt: skip
    for kernel in (first, second, desk):
        kernel.close()
    for user in users:
        for kernel in user.api("GET", f"user/{user.name}/api/kernels"):
            user.api("DELETE", f"user/{user.name}/api/kernels/{kernel['id']}")
    # the hub's own culler would wait an hour and a half: the same program, for once, with the lecturer's rights
    culler = subprocess.Popen(
        [programs / "python", "-m", "jupyterhub_idle_culler", "--timeout=2", "--cull-every=1", f"--url={hub.url}/hub/api"],
        env=os.environ | {"JUPYTERHUB_API_TOKEN": lecturer.token}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        end = time.monotonic() + 120
        while anna.api("GET", f"hub/api/users/{anna.name}")["servers"]:
            assert time.monotonic() < end, "not culled"
            time.sleep(1)
    finally:
        culler.terminate()
        culler.wait()
    anna.start()
    again = anna.kernel()
    assert (
        again.run("from ssl_course.course.lecture import guess; print(guess('01-different'))").strip() == "7"
    )
    assert anna.file("lectures/01_desert_forest_sea.ipynb")["content"]["cells"][0]["source"].endswith("mine")
    again.close()


def test_a_second_hub_on_the_port_says_so(hub, programs):
    argv = [programs / "jupyterhub", "--config", ROOT / "deploy" / "jupyterhub_config.py"]
    done = subprocess.run(
        argv, env=config(SSL_COURSE_CLASS_URL=hub.url), cwd=STATE, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and "is taken, perhaps by another hub" in done.stderr


def test_a_missing_proxy_says_so(programs, tmp_path):
    code = (
        "import sys; from pathlib import Path; from tools import classroom; classroom.PROXY = Path('/nowhere')\n"
        "exec(compile(open('deploy/jupyterhub_config.py').read(), 'deploy/jupyterhub_config.py', 'exec'),"
        " {'get_config': None, '__file__': 'deploy/jupyterhub_config.py'})"
    )
    code = code.replace("{'get_config': None", "{'get_config': lambda: None")
    done = subprocess.run(
        [programs / "python", "-c", code], env=config(), cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and "proxy is missing" in done.stderr


def test_without_a_limit_of_memory_no_class_starts(programs, tmp_path):
    if not classroom.PROXY.exists():
        pytest.skip("no proxy here")
    code = "exec(open('deploy/jupyterhub_config.py').read(), {'get_config': lambda: None, '__file__': 'deploy/x'})"
    done = subprocess.run([programs / "python", "-c", code], env=config(PATH=str(tmp_path)), cwd=ROOT,
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.returncode == 1 and "prlimit" in done.stderr and "util-linux" in done.stderr


def test_only_root_starts_a_class(programs_for_all):
    argv = [programs_for_all / "jupyterhub", "--config", ROOT / "deploy" / "jupyterhub_config.py"]
    done = subprocess.run(argv, env=config(HOME="/"), cwd="/", capture_output=True, text=True, timeout=60,
                          user=classroom.NOBODY, group=classroom.NOBODY, extra_groups=[])  # fmt: skip
    assert done.returncode == 1 and "sudo make class" in done.stderr


def test_the_settings_are_those_of_the_course():
    """Both kinds of hub read them where JupyterLab looks: no news, no pop-up."""
    overrides = json.loads((Path(ROOT) / "assets" / "jupyter" / "overrides.json").read_text())
    assert overrides["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
