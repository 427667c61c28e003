"""Make .venv with the tested versions, once; say in one line what is wrong when that cannot be done.

Run by the Makefile: `python3 tools/setup_env.py [--asked] [--extras book,browser]`. `--asked` says that the
reader named this Python, so that a .venv of another one is replaced; extras that were added once stay. This
file must be readable by the old Pythons that it turns away: no syntax newer than 3.6, no libraries.
"""

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # the paths below start there
PYTHON, STAMP, LOG = ".venv/bin/python", ".venv/setup.json", ".venv/setup.log"
OLDEST = (3, 10)
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
CAUSES = (  # what pip or venv writes, and what to do
    ("No space left", "the disk is full: free 3 GB (10 GB with CUDA) and run the same command again"),
    ("ensurepip", "this Python has no venv module (Debian, Ubuntu: sudo apt install python3-venv)"),
    (
        "ConnectionError|NameResolution|Timeout|timed out|ProxyError|Max retries|Network is unreachable",
        "the package index cannot be reached: connect to the network and run the same command again",
    ),
    ("No matching distribution", "a library has no build for this Python: try PYTHON=python3.12 or conda"),
)
# A reader's own settings for `pip install --user` or `--target` would miss .venv.
IGNORED = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "PYTHONHOME", "PYTHONPATH")
say = functools.partial(print, flush=True)  # at once, also into a pipe


class SetupError(Exception):
    """What went wrong and its cure, in one line."""


def main(arguments):
    """Return the exit status: 0 when .venv is ready, 1 with one line on stderr when it cannot be."""
    extras = arguments[arguments.index("--extras") + 1].split(",") if "--extras" in arguments else []
    os.chdir(ROOT)
    try:
        make_environment("--asked" in arguments, extras)
    except SetupError as error:
        sys.stderr.write("Set-up stopped: {}.\n".format(error))
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nSet-up stopped by you: run the same command again to finish it.\n")
        return 130
    return 0


def make_environment(asked, extras):
    """Do nothing if .venv is finished and fits; else make, renew or replace it."""
    before = read_stamp()
    inputs = hashlib.sha256()  # of the two files that say what is installed
    for name in ("pyproject.toml", "constraints.txt"):
        with open(name, "rb") as file:
            inputs.update(file.read())
    names = sorted({*(before or {}).get("extras", []), *extras})
    wanted = {"finished": True, "inputs": inputs.hexdigest(), "root": ROOT, "extras": names}
    version = version_of(PYTHON)
    whole = before is None or (before.get("finished") and before.get("root") == ROOT)
    fits = version and whole and (not asked or version == sys.version_info[:2])
    if fits and before == wanted:
        return
    if not fits:
        create()
    write_stamp(dict(wanted, finished=False))
    try:
        install(names)
    except SetupError:
        if fits and before:
            write_stamp(before)  # nothing was unpacked: what was there still works
        raise
    write_stamp(wanted)
    if run([PYTHON, "tools/fetch_data.py"])[0]:
        say("  the real text of chapter 08 could not be fetched; `make data` tries again and says why")
    say("Set-up done.")


def read_stamp():
    """Return what the last set-up wrote in .venv, {} if it is spoilt, None if there is nothing."""
    try:
        with open(STAMP, encoding="utf-8") as file:
            return dict(json.load(file))
    except OSError:
        return None
    except (ValueError, TypeError):
        return {}


def write_stamp(record):
    """Say in .venv what is installed; not "finished" while that goes on."""
    with open(STAMP, "w", encoding="utf-8") as file:
        json.dump(record, file)


def version_of(python):
    """Start an interpreter and return its (major, minor), or None if it does not start."""
    question = [python, "-S", "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        return tuple(map(int, subprocess.check_output(question, stderr=subprocess.DEVNULL).split()))
    except (OSError, subprocess.CalledProcessError):
        return None


def create():
    """Make .venv anew with this Python."""
    version = "{}.{}".format(*sys.version_info[:2])
    if sys.version_info[:2] < OLDEST:
        cure = "install one (https://www.python.org/downloads) and add PYTHON=python3.12, say, to the command"
        raise SetupError("this is Python {}, and 3.10 or newer is needed: {}".format(version, cure))
    say("Making .venv with Python {} (minutes) ...".format(version))
    if os.path.islink(".venv"):
        os.remove(".venv")
    shutil.rmtree(".venv", ignore_errors=True)
    os.makedirs(".venv")
    explain(*run([sys.executable, "-m", "venv", ".venv"]))


def install(extras):
    """Install the package, editable, with the tested versions; the CPU build of torch where that fits."""
    pip = [PYTHON, "-m", "pip", "install", "-c", "constraints.txt", "--no-input"]
    if sys.platform == "linux" and not has_nvidia_gpu():
        say("  no NVIDIA GPU: trying the small CPU build of torch (about 200 MB to download)")
        quick = ["--retries", "0", "--timeout", "10", "--no-deps"]
        if run(pip + quick + ["--index-url", CPU_WHEELS, "torch"])[0]:
            say("  not to be had there: taking the plain build (2.5 GB to download on Linux)")
    explain(*run(pip + ["--retries", "2", "-e", ".[{}]".format(",".join(["test"] + extras))]))


def has_nvidia_gpu():
    """Return whether a driver of NVIDIA is there (also under Windows' Linux)."""
    places = ("/proc/driver/nvidia/version", "/usr/lib/wsl/lib/nvidia-smi")
    return shutil.which("nvidia-smi") is not None or any(map(os.path.exists, places))


def run(command):
    """Run a command; log all it says, show large downloads; return (status, what it wrote)."""
    environment = {name: value for name, value in os.environ.items() if name not in IGNORED}
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    text = ""
    with subprocess.Popen(command, env=environment, universal_newlines=True, **pipes) as process:
        with open(LOG, "a", encoding="utf-8") as log:
            for line in process.stdout:
                log.write(line)
                text += line
                if re.match(r"\s*Downloading .*\(\d+\.?\d* [MG]B\)", line):
                    say("  " + line.strip())
    return process.returncode, text


def explain(status, text):
    """Stop with the likely cause and the cure, if a command failed."""
    if status:
        last = (text.split("\n\n")[-1].strip().splitlines() or ["no message"])[-1]
        cures = [cure for form, cure in CAUSES if re.search(form, text)]
        raise SetupError((cures or ["{} (all of it: .venv/setup.log)".format(last)])[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
