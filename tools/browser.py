"""The web browser that the tests drive: find one, or install one. ``python -m tools.browser ensure``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

FLAGS = [
    "--headless=new",
    "--hide-scrollbars",
    "--force-color-profile=srgb",  # the same pixels everywhere: tests compare them
    "--force-device-scale-factor=1",
    "--disable-dev-shm-usage",  # containers give /dev/shm little room
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",  # no updates, no sync: a test run asks nothing of the outside
    "--disable-component-update",
    "--disable-sync",
]
if hasattr(os, "geteuid") and os.geteuid() == 0:
    FLAGS.append("--no-sandbox")  # Chromium refuses its sandbox to root, as in most containers

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge",
         "microsoft-edge-stable", "msedge")  # fmt: skip
MAC = ("Google Chrome", "Chromium", "Microsoft Edge")
WINDOWS = (r"Google\Chrome\Application\chrome.exe", r"Chromium\Application\chrome.exe",
           r"Microsoft\Edge\Application\msedge.exe")  # fmt: skip

HELP = (
    "Install Chrome, Chromium or Edge, or run: python -m playwright install chromium. "
    "A browser in an unusual place is named by the environment variable CHROMIUM."
)


def find_browser() -> str | None:
    """Path of a Chrome, Chromium or Edge, or None.

    ``$CHROMIUM`` first (FileNotFoundError when it names no program), then what the system has installed, then
    what `playwright install` has fetched.
    """
    named = os.environ.get("CHROMIUM")
    if named:
        browser = shutil.which(named)
        if browser is None:
            raise FileNotFoundError(
                f"The environment variable CHROMIUM is {named!r}, which is no program here."
            )
        return browser
    for name in NAMES:
        browser = shutil.which(name)
        if browser:
            return browser
    for place in _usual_places():
        if place.is_file():
            return str(place)
    return _from_playwright()


def _usual_places() -> list[Path]:
    if sys.platform == "darwin":
        roots = (Path("/Applications"), Path.home() / "Applications")
        return [root / f"{name}.app" / "Contents" / "MacOS" / name for root in roots for name in MAC]
    if sys.platform == "win32":
        roots = [os.environ.get(v) for v in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")]
        return [Path(root) / name for root in roots if root for name in WINDOWS]
    return []


def _from_playwright() -> str | None:
    """The Chromium that `playwright install` puts into its cache, if it is there."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        return None
    try:
        with sync_playwright() as playwright:
            path = Path(playwright.chromium.executable_path)
    except Error:
        return None
    return str(path) if path.is_file() else None


def install_browser() -> str:
    """Install a Chromium and return its path: by apt for root on Debian and its kin, else by Playwright.

    Raises RuntimeError, saying what to do by hand, when neither works.
    """
    attempts = []
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        # On Ubuntu the package only points to a snap, which containers cannot run: then Playwright's is tried.
        attempts += [[["apt-get", "update", "-q"],
                      ["apt-get", "install", "-qy", "--no-install-recommends", "chromium", "fonts-dejavu-core"]]]  # fmt: skip
    attempts += [[[sys.executable, "-m", "playwright", "install", "chromium"]]]
    for commands in attempts:
        for command in commands:
            print("+", " ".join(command), flush=True)
            environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            if subprocess.run(command, env=environment, stdin=subprocess.DEVNULL).returncode != 0:
                break
        browser = find_browser()
        if browser:
            return browser
    raise RuntimeError(f"Could not install a browser for the tests. {HELP}")


def main(arguments: list[str]) -> int:
    """``ensure``: print the path of a browser, after installing one if need be. ``find``: without installing."""
    if arguments not in (["ensure"], ["find"]):
        print("usage: python -m tools.browser ensure | find", file=sys.stderr)
        return 2
    try:
        path = find_browser()
        if path is None and arguments == ["ensure"]:
            path = install_browser()
    except (FileNotFoundError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"browser: {path}" if path else f"There is no browser for the tests. {HELP}")
    return 0 if path else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
