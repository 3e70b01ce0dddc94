"""The set-up: what is installed, by which route, and that nothing heavy loads before it is used."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from typer.testing import CliRunner

from ssl_course import __version__, cli, doctor
from tools import browser

ROOT = Path(__file__).parents[1]
NEEDED = {"jupyterlab", "ipywidgets", "torch", "torchvision", "matplotlib", "nbval", "jupytext"}
CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
ONLY_CONDA = {"python", "pip", "pytorch-cpu"}
unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no make")


def requirement(line):
    wanted = Requirement(line)
    name = canonicalize_name(wanted.name)
    return CONDA_NAMES.get(name, name), wanted.specifier


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wanted(project):
    """{name: range} of pyproject.toml, the tests' extra included."""
    return dict(map(requirement, [*project["dependencies"], *project["optional-dependencies"]["test"]]))


@pytest.fixture(scope="module")
def conda():
    """{name: range} of environment.yml under pip's names, its pip section included."""
    lines = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    section = next(line["pip"] for line in lines if isinstance(line, dict))
    lines = [line for line in lines if isinstance(line, str)] + [x for x in section if not x.startswith("-")]
    assert "--editable ." in section
    return dict(map(requirement, lines))


def test_both_routes_list_what_the_course_stands_on(wanted, conda):
    assert wanted.keys() >= NEEDED
    assert conda.keys() >= NEEDED


def test_environment_yml_is_in_step_with_pyproject(wanted, conda, project):
    assert {name: r for name, r in conda.items() if name not in ONLY_CONDA} == wanted
    assert str(conda["python"]) == project["requires-python"]


def test_binder_builds_what_the_lectures_need(project):
    """repo2docker takes binder/ alone: the dependencies, a Python that it understands, and what a hub asks for."""
    lines = yaml.safe_load((ROOT / "binder/environment.yml").read_text(encoding="utf-8"))["dependencies"]
    section = next(line["pip"] for line in lines if isinstance(line, dict))
    plain = [line for line in lines if isinstance(line, str)]
    python = next(line for line in plain if line.startswith("python "))
    assert re.fullmatch(r"python =3\.1[2-9]", python), "repo2docker reads no version out of a range"
    found = dict(map(requirement, [line for line in plain if line != python] + section))
    hub = {"jupyterhub-singleuser", "nbgitpuller"}
    assert found.keys() >= hub
    needed = dict(map(requirement, project["dependencies"]))
    assert {name: r for name, r in found.items() if name not in hub | {"pip", "pytorch-cpu"}} == needed
    for script in ("postBuild", "start"):
        mode = subprocess.run(
            ["git", "ls-files", "-s", f"binder/{script}"], cwd=ROOT, capture_output=True, text=True
        )
        assert not mode.stdout or mode.stdout.startswith("100755"), "repo2docker runs it"


@unix
def test_binders_last_step_brings_course_and_settings(tmp_path):
    """postBuild as repo2docker runs it, with a pip and a doctor that only say that they were called."""
    fake = program(tmp_path / "python")
    Path(fake).write_text(
        "#!/bin/sh\n"
        f"case \"$1\" in -c) echo '{tmp_path}/prefix';; *) echo \"$@\" >> '{tmp_path}/called';; esac\n",
        encoding="utf-8",
    )
    env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["bash", ROOT / "binder/postBuild"], cwd=ROOT, env=env, check=True)
    called = (tmp_path / "called").read_text().splitlines()
    assert called == ["-m pip install --no-cache-dir --no-deps --editable .", "-m ssl_course doctor"]
    kept = tmp_path / "prefix/share/jupyter/lab/settings/overrides.json"
    assert kept.read_bytes() == (ROOT / "assets/jupyter/overrides.json").read_bytes()
    out = subprocess.run(["bash", ROOT / "binder/start", "env"], capture_output=True, text=True, check=True)
    assert "OMP_NUM_THREADS=" in out.stdout


def test_the_lock_fits_the_ranges_and_holds_every_file_by_its_digest(wanted):
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    entries = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(re.search(r" --hash=sha256:[0-9a-f]{64}", line) for line in entries)
    pins = {}
    for line in entries:
        pinned = Requirement(line.partition(" --hash")[0])
        (only,) = pinned.specifier
        assert only.operator == "==" and "+" not in only.version, "a local part shuts out the other builds"
        pins.setdefault(canonicalize_name(pinned.name), []).append((Version(only.version), pinned.marker))
    for name, allowed in wanted.items():
        assert name in pins and all(version in allowed for version, _ in pins[name]), name
    # Universal: what only one system needs is there, under its marker.
    for name, system in (("nvidia-cudnn-cu13", "linux"), ("appnope", "darwin"), ("pywinpty", "win32")):
        ((_, marker),) = pins[name]
        machine = {"sys_platform": system, "os_name": "nt" if system == "win32" else "posix"}
        assert marker.evaluate(machine | {"platform_machine": "x86_64"})
        assert not marker.evaluate(
            {"sys_platform": "other", "os_name": "other", "platform_machine": "x86_64"}
        )
    # And for every Python from 3.11.0 (Debian's is 3.11.2) to 3.14: just one version of what all need.
    for python in ("3.11.0", "3.11.2", "3.12.0", "3.13.5", "3.14.1"):
        about = {
            "python_full_version": python,
            "python_version": python.rpartition(".")[0],
            "sys_platform": "linux",
        }
        for name in ("numpy", "torch", "soupsieve", "jupyterlab"):
            assert sum(not m or m.evaluate(about) for _, m in pins[name]) == 1, (name, python)


def test_lab_brings_no_tests_and_imports_none(project):
    """`make lab` installs the dependencies alone."""
    base = {requirement(line)[0] for line in project["dependencies"]}
    assert not base & {"pytest", "nbval", "jupytext", "playwright", "ruff", "mypy", "sphinx", "hatchling"}
    tests = {
        requirement(line)[0].replace("-", "_") for line in project["optional-dependencies"]["test"]
    } - base
    names = "|".join([*tests, "yaml", "myst_nb"])
    imported = re.compile(rf"^\s*(?:import|from) ({names})\b", re.MULTILINE)
    found = {
        f.name: imported.findall(f.read_text(encoding="utf-8")) for f in (ROOT / "ssl_course").rglob("*.py")
    }
    assert {name: lines for name, lines in found.items() if lines} == {}


@unix
def test_whoever_takes_pins_takes_them_from_the_lock():
    """The hub's image and the graders' environment use pip, which wants them without digests."""
    dockerfile = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
    (strip,) = re.findall(
        r"^RUN (sed .*?) /srv/ssl-course/requirements.txt > /tmp/pins.txt", dockerfile, re.M
    )
    done = subprocess.run(
        f"{strip} requirements.txt", shell=True, cwd=ROOT, capture_output=True, text=True, check=True
    )
    pins = [Requirement(line) for line in done.stdout.splitlines() if line and not line.startswith("#")]
    assert {"jupyterlab", "numpy"} <= {pin.name for pin in pins}
    assert not {"torch", "torchvision"} & {pin.name for pin in pins}, (
        "conda-forge's own, without CUDA, are there"
    )
    for path in [
        *ROOT.glob("*.*"),
        ROOT / "Makefile",
        *(ROOT / "tools").glob("*.py"),
        *(ROOT / "deploy").iterdir(),
    ]:
        if path.is_file() and path.name != "CHANGELOG.md":
            assert "constraints.txt" not in path.read_text(encoding="utf-8"), path.name


def test_no_file_names_a_package_host():
    """pip's own configuration says where packages come from: a mirror, a proxy, a folder of wheels."""
    hosts = re.compile(
        r"pypi\.(org|python)|pythonhosted|download\.pytorch|registry\.npm|conda\.anaconda|deb\.debian"
    )
    paths = [*ROOT.glob("*.*"), ROOT / "Makefile", ROOT / ".ci/run", *(ROOT / ".github").rglob("*.yml")]
    named = [path.name for path in paths if path.is_file() and hosts.search(path.read_text(encoding="utf-8"))]
    assert named == []


@pytest.mark.parametrize("module", ["ssl_course", "ssl_course.cli", "ssl_course.data", "tools.browser"])
def test_importing_loads_nothing_heavy(module):
    heavy = ("torch", "torchvision", "matplotlib", "ipywidgets", "sklearn")
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert out.stdout.strip() == "[]"


@pytest.mark.skipif(sys.platform != "linux", reason="the OpenMP that tells its settings is Linux's")
@pytest.mark.parametrize("mine, told", [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_that_wait_sleep_unless_told_otherwise(mine, told):
    """Spinning ones take the cores of other users; what OpenMP itself says that it does is asked."""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"} | {
        "OMP_DISPLAY_ENV": "VERBOSE"
    }
    environment |= {"OMP_WAIT_POLICY": mine} if mine else {}
    argv = [sys.executable, "-c", "import ssl_course, torch; torch.ones(9).sum()"]
    said = subprocess.run(argv, env=environment, capture_output=True, text=True, cwd=ROOT).stderr
    if "OMP_WAIT_POLICY" not in said:
        pytest.skip("another OpenMP, which says nothing")
    assert re.findall(r"OMP_WAIT_POLICY = '(\w+)'", said) == [told]


def test_lectures_load_the_course_before_torch():
    """OpenMP reads how it should wait when torch is loaded."""
    for source in (ROOT / "lectures/src").glob("[0-9]*.md"):
        text = source.read_text(encoding="utf-8")
        assert 0 < text.index("import ssl_course") < text.find("import torch") % (1 << 40), source.name


# --- files around the code --------------------------------------------------------------------------------


def test_the_version_stands_in_one_place(project):
    assert "version" not in project and project["dynamic"] == ["version"]
    assert Version(__version__).public == __version__
    assert "version" not in yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    editions = re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    released = [Version(edition) for edition in editions if edition != "Unreleased"]
    assert released == sorted(released, reverse=True)
    if Version(__version__).is_devrelease:
        assert editions[0] == "Unreleased" and Version(__version__) > released[0]
    else:
        assert Version(__version__) == released[0], "an edition has its heading in CHANGELOG.md"


@unix
def test_the_quick_job_runs_what_make_check_runs():
    """Written out there, since Windows has no make."""
    steps = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]["quick"]["steps"]
    job = {line.removeprefix("python -m ") for step in steps for line in step.get("run", "").splitlines()}
    # Under `make test` this make is a make's child, and would say which folder it enters.
    printed = subprocess.run(
        ["make", "-n", "--no-print-directory", "-o", ".venv/.stamp-test", "check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    # The variables of a line are the env of a step there.
    checks = {re.sub(r"^(\w+=\S+ )*\S*/bin/(python -m )?", "", line) for line in printed.stdout.splitlines()}
    assert checks and checks == {line for line in job if line.startswith(("ruff", "mypy", "pytest"))}


def test_the_full_job_starts_a_hub_as_root():
    """Its tests are skipped without root, so `make test` alone would run none of them there."""
    steps = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]["full"]["steps"]
    (hub,) = [step for step in steps if "sudo" in step.get("run", "")]
    assert hub["timeout-minutes"] == 3 and steps.index(hub) > steps.index({"run": "make test"})
    assert "CI=true" in hub["run"] and (ROOT / hub["run"].split()[-1]).is_file()


def test_lint_passes_without_a_warning():
    """`# noqa` that ruff cannot read is a warning, and nothing is left out by it."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "."], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_only_assets_knows_where_the_courses_files_lie():
    """A path built from a module's own is wrong in a wheel."""
    files = [*(ROOT / "ssl_course").rglob("*.py"), *(ROOT / "lectures/src").glob("*.md")]
    built = re.compile(r"__file__\)*(\.resolve\(\)|\.absolute\(\))?\.(parents|parent\.parent)")
    assert [f.name for f in files if built.search(f.read_text(encoding="utf-8"))] == []
    assert built.search('Path(ssl_course.__file__).parents[1] / "assets"')


def test_jobs_and_hooks_call_what_is_there(wanted):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    jobs = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / ".github/workflows").glob("*.yml"))
    called = set(re.findall(r"run: make ([\w-]+)", jobs))
    assert called and called <= targets
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    calls = [hook["entry"].split()[:3] for hook in hooks]  # by `python -m`, which Windows and conda have too
    assert all(call[:2] == ["python", "-m"] and call[2] in wanted for call in calls)


# --- the command line -------------------------------------------------------------------------------------


def test_lab_is_for_this_machine_only_and_keeps_its_token(tmp_path):
    argv, environment = cli.lab_command(tmp_path, open_at="a.ipynb", port=8899, browser=False)
    assert "--ServerApp.ip=127.0.0.1" in argv
    assert "--ServerApp.port=8899" in argv
    assert "--no-browser" in argv
    assert argv[-1] == str(tmp_path / "a.ipynb")
    assert not any(word in part.lower() for part in argv for word in ("token", "password", "origin", "xsrf"))
    for name in ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR", "JUPYTER_CONFIG_DIR"):
        assert Path(environment[name]).is_relative_to(tmp_path / "build")


@pytest.mark.skipif(os.name != "posix", reason="Windows starts it as a child")
def test_who_stops_the_command_stops_jupyterlab():
    """The process becomes JupyterLab: there is no second one that could go on."""
    code = (
        "import os, sys\nfrom ssl_course import cli\n"
        "argv = [sys.executable, '-c', 'import os; print(os.getpid(), os.getcwd())']\n"
        "cli.lab_command = lambda *a, **k: (argv, dict(os.environ))\n"
        "cli._start('lectures/00_start_here.ipynb', None, None, False, False)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.communicate()[0].strip().split(" ", 1) == [str(process.pid), str(ROOT)]


def test_lab_leaves_the_surroundings_alone(tmp_path):
    before = dict(os.environ)
    _, environment = cli.lab_command(tmp_path)
    assert dict(os.environ) == before
    assert environment["PATH"] == before["PATH"]


def test_slides_start_as_slides_and_the_lab_does_not(tmp_path):
    def settings(environment):
        folder = Path(environment["JUPYTERLAB_SETTINGS_DIR"])
        return [json.loads(p.read_text()) for p in folder.rglob("*.jupyterlab-settings")]

    assert settings(cli.lab_command(tmp_path, slides=True)[1]) == [{"active": True}]
    assert settings(cli.lab_command(tmp_path)[1]) == []


def test_jupyterlab_reads_the_defaults_of_the_course(tmp_path):
    """Each override names a setting that the installed JupyterLab has, and it arrives there."""
    from jupyter_core.paths import jupyter_path
    from jupyterlab_server.settings_utils import get_settings

    argv, _ = cli.lab_command(tmp_path)
    (folder,) = (part.split("=", 1)[1] for part in argv if part.startswith("--LabApp.app_settings_dir="))
    overrides = json.loads((Path(folder) / "overrides.json").read_text(encoding="utf-8"))
    assert overrides["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    schemas = next(p for p in (Path(p) / "lab" / "schemas" for p in jupyter_path()) if p.is_dir())
    others = jupyter_path("labextensions")  # extensions that came by pip keep theirs there
    for plugin, values in overrides.items():
        found, warnings = get_settings(
            folder, str(schemas), str(tmp_path), schema_name=plugin, labextensions_path=others
        )
        assert not any(warnings)
        properties = found["schema"]["properties"]
        for name, value in values.items():
            assert properties[name]["default"] == value
            choices = [choice["const"] for choice in properties[name].get("oneOf", [])]
            assert not choices or value in choices


@pytest.mark.parametrize("command", ["lab", "present"])
def test_a_lecture_that_is_not_there_is_named(command):
    result = CliRunner().invoke(cli.app, [command, "lectures/99_nothing.ipynb"])
    assert result.exit_code == 1
    assert "99_nothing.ipynb" in result.output


def test_doctor_ends_with_1_and_a_command_when_something_required_is_missing(monkeypatch):
    monkeypatch.setattr(doctor, "requirements", lambda: {"numpy": True, "no-such-package": True})
    result = CliRunner().invoke(cli.app, ["doctor"])
    assert result.exit_code == 1
    lines = result.output.splitlines()
    (at,) = (i for i, line in enumerate(lines) if "no-such-package" in line)
    assert lines[at].startswith("FAIL")
    assert doctor.INSTALL in lines[at + 1]


def test_doctor_ends_with_0_when_only_something_optional_is_missing(monkeypatch):
    monkeypatch.setattr(doctor, "requirements", lambda: {"numpy": True, "no-such-package": False})
    monkeypatch.setattr(browser, "find_browser", lambda: None)
    result = CliRunner().invoke(cli.app, ["doctor"])
    assert result.exit_code == 0
    assert "tools.browser ensure" in result.output


def test_doctor_knows_all_that_pyproject_asks_for(wanted, project):
    needed = {requirement(line)[0] for line in project["dependencies"]}
    found = {canonicalize_name(name): needed for name, needed in doctor.requirements().items()}
    assert found.keys() == wanted.keys(), "out of step: run make setup"
    assert {name for name, required in found.items() if required} == needed


def test_doctor_sees_a_torchvision_that_does_not_fit(monkeypatch):
    """torchvision made for another release of torch is installed, and fails when it is imported."""
    real = doctor.importlib.import_module

    def refuse(name):
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")
        return real(name)

    def check():
        (found,) = (c for c in doctor._device() if c.name == "torchvision runs")
        return found

    assert check().ok
    monkeypatch.setattr(doctor.importlib, "import_module", refuse)
    assert not check().ok and check().required and check().fix
    assert "torchvision::nms" in check().seen


@pytest.mark.parametrize("free, ok", [(0.2e9, False), (20e9, True)])
def test_doctor_tells_the_room_on_the_disk(monkeypatch, free, ok):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": free}))
    assert doctor._disk().ok is ok


def test_every_missing_thing_comes_with_a_command():
    for check in doctor.report():
        assert check.ok or check.fix or check.name == "gpu", check


def test_without_typer_the_command_line_says_how_to_install():
    code = (
        "import sys, runpy; sys.modules['typer'] = None; runpy.run_module('ssl_course', run_name='__main__')"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert out.returncode == 1
    assert "make setup" in out.stderr and "Traceback" not in out.stderr


# --- the browser ------------------------------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine without any browser, whose PATH is an empty folder."""
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(browser, "_usual_places", lambda: [])
    monkeypatch.setattr(browser, "_from_playwright", lambda: None)
    return tmp_path


def program(path):
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_no_browser(bare):
    assert browser.find_browser() is None


@pytest.mark.skipif(sys.platform == "win32", reason="programs on the PATH need an extension there")
def test_the_named_browser_comes_before_the_installed_one(bare, monkeypatch):
    installed = program(bare / "google-chrome")
    assert browser.find_browser() == installed
    (bare / "elsewhere").mkdir()
    named = program(bare / "elsewhere" / "my-browser")
    monkeypatch.setenv("CHROMIUM", named)
    assert browser.find_browser() == named


def test_a_wrong_name_is_an_error_and_not_passed_over(bare, monkeypatch):
    monkeypatch.setenv("CHROMIUM", str(bare / "nothing"))
    with pytest.raises(FileNotFoundError, match="CHROMIUM"):
        browser.find_browser()
    assert browser.main(["find"]) == 1


def test_failing_to_install_says_what_to_do(bare, monkeypatch):
    class Failed:
        returncode = 1

    monkeypatch.setattr(browser.subprocess, "run", lambda *a, **k: Failed)
    with pytest.raises(RuntimeError, match="playwright install chromium"):
        browser.install_browser()


@pytest.mark.parametrize("arguments", [[], ["install"], ["ensure", "now"]])
def test_wrong_arguments_are_refused(arguments):
    assert browser.main(arguments) == 2


# --- make ---------------------------------------------------------------------------------------------------


COPIED = ["Makefile", "pyproject.toml", "requirements.txt", "tools/install.py"]
COPIED += [f"ssl_course/{name}.py" for name in ("__init__", "doctor", "assets")]


@pytest.fixture
def course(tmp_path):
    """Just what `make setup` looks at, away from the real .venv."""
    for name in COPIED:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def make(folder, *arguments, env=None):
    """As a reader types it: a `make test LOCK=none` in which this runs would hand its own variables down."""
    env = {k: v for k, v in (env or os.environ).items() if k not in ("MAKEFLAGS", "MAKEOVERRIDES", "LOCK")}
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True, env=env)


@unix
def test_setup_says_that_the_python_is_old(course):
    fake = program(course / "fake-python")
    # It fails the first question.
    Path(fake).write_text("#!/bin/sh\necho 'Python 3.9.2'; exit 1\n", encoding="utf-8")
    result = make(course, "setup", f"PYTHON={fake}")
    assert result.returncode != 0
    assert "needs Python 3.11 or newer" in result.stdout
    assert not (course / ".venv").exists()


@unix
def test_setup_says_what_debians_python_lacks(course):
    """Debian has ensurepip in a package of its own; a machine with uv does without."""
    fake = program(course / "fake-python")
    without = "import runpy, sys; sys.modules['ensurepip'] = None; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
    script = f'case "$1" in -c) exit 0;; *) exec "{sys.executable}" -c "{without}" "$@";; esac'
    Path(fake).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    result = make(course, "setup", f"PYTHON={fake}", env=os.environ | {"PATH": "/usr/bin:/bin"})
    if Path("/usr/bin/uv").exists():
        pytest.skip("this machine has uv")
    assert result.returncode != 0
    assert "apt-get install python3-venv" in result.stderr
    assert not (course / ".venv").exists()


@pytest.fixture
def closed():
    """Runs a command as somebody who may read a copy of the course's set-up, and write neither there nor at home."""
    folder = Path(tempfile.mkdtemp(prefix="ssl-course-closed-"))
    for name in COPIED:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    other = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}

    def run(*command, **environment):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "UV_"))}
        environment = kept | {"HOME": str(folder), "PATH": "/usr/bin:/bin", "LC_ALL": "C"} | environment
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, **other)

    yield run
    for path in paths:
        path.chmod(0o755)
    shutil.rmtree(folder)


@unix
@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="this Python may lie in somebody's home")
def test_setup_in_a_folder_that_cannot_be_written(closed):
    if closed(
        "/usr/bin/python3", "-c", "import sys, venv, ensurepip; sys.version_info < (3, 11) and sys.exit(1)"
    ).returncode:
        pytest.skip("the machine's own Python is old, or has no venv")
    done = closed("make", "setup", "PYTHON=/usr/bin/python3")
    assert done.returncode != 0
    assert "copy the course to a folder of your own" in done.stderr and "Traceback" not in done.stderr


@unix
def test_setup_without_python(course):
    result = make(course, "setup", "PYTHON=no-such-python")
    assert result.returncode != 0
    assert "Install Python 3.11" in result.stdout


@unix
def test_the_second_setup_does_nothing_until_the_versions_change(course):
    stamp = course / ".venv" / ".stamp"
    stamp.parent.mkdir()
    stamp.touch()
    assert make(course, "--question", "setup").returncode == 0
    os.utime(course / "requirements.txt", (stamp.stat().st_mtime + 5,) * 2)
    assert make(course, "--question", "setup").returncode == 1


@unix
def test_make_test_adds_what_tests_need_to_what_lab_has(course):
    """`make lab` asks for no tests' packages; after `make test` it has nothing left to do."""
    printed = {
        goal: make(course, "-n", goal).stdout for goal in ("lab", "present", "check", "handout", "site")
    }
    asked = {
        goal: "tools/install.py --lock requirements.txt --test" in text for goal, text in printed.items()
    }
    assert asked == {"lab": False, "present": False, "check": True, "handout": True, "site": True}
    assert "touch .venv/.stamp-test .venv/.stamp" in printed["check"]
