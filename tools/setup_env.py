"""Make .venv with the tested versions, once; say in one line what is wrong when that cannot be done.

Run by the Makefile (`python3 tools/setup_env.py [--asked] [--extras book,browser]`); `--asked` says that the
reader named this Python, so that a .venv of another version is replaced; `--extras` adds what the book site
and its tests need, and what was added once stays. This file must be readable by the old Pythons that it
turns away: no syntax newer than 3.6, no annotations, the standard library only.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
VENV = os.path.join(ROOT, ".venv")
VENV_PYTHON = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin", "python")
STAMP = os.path.join(VENV, "setup.json")  # written before (finished: false) and after (finished: true)
LOG = os.path.join(VENV, "setup.log")
OLDEST = (3, 10)
EXTRAS = ("book", "browser")  # of pyproject.toml, beside "test", which every .venv has
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"

NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|ConnectionResetError|"
    r"Max retries exceeded|Failed to establish a new connection|Could not fetch URL|Network is unreachable|"
    r"Temporary failure in name resolution|Connection refused|Connection broken|timed out"
)


class SetupError(Exception):
    """What went wrong and its cure, in one line."""


def main():
    """Return the exit status: 0 when .venv is ready, 1 with one line on stderr when it cannot be."""
    try:
        make_environment("--asked" in sys.argv[1:], asked_extras(sys.argv[1:]))
    except SetupError as error:
        sys.stderr.write("Set-up stopped: {}\n".format(error))
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nSet-up stopped by you: run the same command again to finish it.\n")
        return 130
    return 0


def asked_extras(arguments):
    """Return the names after --extras; stop if one is not known."""
    if "--extras" not in arguments:
        return []
    place = arguments.index("--extras") + 1
    names = [name for name in "".join(arguments[place : place + 1]).split(",") if name]
    for name in names:
        if name not in EXTRAS:
            raise SetupError("there are no extras {}, expected some of: {}.".format(name, ", ".join(EXTRAS)))
    return names


def make_environment(asked, extras=()):
    """Do nothing if .venv is finished and fits; else make, repair or replace it."""
    stamp = read_stamp()
    reason = why_rebuild(stamp, asked)
    there = (stamp or {}).get("extras") or []
    wanted = [name for name in EXTRAS if name in there or name in extras]
    if stamp is not None and reason is None and stamp.get("inputs") == inputs_hash() and wanted == there:
        return
    if reason is not None or not os.path.isdir(VENV):
        check_python()
        create(reason, wanted)
    python = version_of(VENV_PYTHON)
    write_stamp(finished=False, python=python, extras=wanted)
    say("Installing into .venv (Python {}) ...".format(version_text(python)))
    try:
        install(wanted)
    except SetupError:
        if stamp is not None and reason is None:  # nothing was unpacked: what was there still works
            save(stamp)
        raise
    write_stamp(finished=True, python=python, extras=wanted)
    fetch_data()
    say("Set-up done.")


# What is there already


def read_stamp():
    """Return what the last set-up wrote in .venv, {} if it is spoilt, None if there is nothing."""
    if not os.path.exists(STAMP):
        return None
    try:
        with open(STAMP, encoding="utf-8") as file:
            stamp = json.load(file)
    except ValueError:
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(finished, python=None, extras=()):
    """Record whether .venv is whole, made from what, by which Python (major, minor), where, with what."""
    record = {"finished": finished, "inputs": inputs_hash(), "python": python, "root": ROOT}
    save(dict(record, extras=list(extras)))


def save(record):
    """Write the stamp, whole or not at all."""
    with open(STAMP + ".part", "w", encoding="utf-8") as file:
        json.dump(record, file)
    os.replace(STAMP + ".part", STAMP)


def inputs_hash():
    """Return the hash of the two files that say what is installed."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def why_rebuild(stamp, asked):
    """Return one line saying why the .venv that is there must be replaced, or None."""
    if not os.path.isdir(VENV):
        return None
    if stamp is not None and not stamp.get("finished"):
        return "The last set-up did not finish: making .venv again."
    made_with = version_of(VENV_PYTHON)  # starts it, by the link to the Python that made it
    if made_with is None:
        return "The Python of .venv does not start (moved or upgraded?): making .venv again."
    if stamp is not None and stamp.get("root") != ROOT:
        return "This folder was moved or copied: making .venv again."
    if made_with < OLDEST:
        return ".venv has Python {}, which is too old: making it again.".format(version_text(made_with))
    if asked and made_with != tuple(sys.version_info[:2]):
        return "Replacing the .venv of Python {} by one of Python {}, as asked.".format(
            version_text(made_with), version_text(sys.version_info)
        )
    return None


def version_of(python):
    """Start an interpreter and return its (major, minor), or None if it does not start."""
    question = "import sys; print(*sys.version_info[:2])"
    try:
        answer = subprocess.check_output([python, "-S", "-c", question], stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return None
    return tuple(int(part) for part in answer.split())


# Making it


def check_python():
    """Stop with the cure if this Python is too old or cannot make an environment."""
    if sys.version_info[:2] < OLDEST:
        raise SetupError(
            "this is Python {}, and {} or newer is needed: {}.".format(
                version_text(sys.version_info), version_text(OLDEST), newer_python()
            )
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        package = "python{}-venv".format(version_text(sys.version_info))
        raise SetupError(
            "this Python has no venv module: install it (Debian, Ubuntu: sudo apt install {}) "
            "and run the same command again.".format(package)
        ) from error
    if sys.platform == "darwin" and platform.machine() == "x86_64":
        raise SetupError("PyTorch has no wheels for Intel Macs: use conda (README, 'With conda').")


def newer_python():
    """Return the cure for an old Python: the newest suitable one on the PATH, or where to get one."""
    for minor in range(14, OLDEST[1] - 1, -1):
        name = "python3.{}".format(minor)
        if version_of(name):
            return "{} is on this machine, so add PYTHON={} to the command".format(name, name)
    return "install one (https://www.python.org/downloads) and add PYTHON=python3.12, say, to the command"


def create(reason, extras=()):
    """Make .venv, after removing one that does not do; marked unfinished from the first moment."""
    say(reason or "Making .venv with Python {} (once; minutes) ...".format(version_text(sys.version_info)))
    try:
        if os.path.islink(VENV):
            os.remove(VENV)
        elif os.path.isdir(VENV):
            shutil.rmtree(VENV)
        os.mkdir(VENV)
        write_stamp(finished=False, extras=extras)
    except OSError as error:
        raise SetupError("cannot replace {}: {}.".format(error.filename, error.strerror)) from error
    status, lines = run_quietly([sys.executable, "-m", "venv", VENV])
    if status != 0:
        raise SetupError(explain(lines))


def install(extras=()):
    """Install the package, editable, with the tested versions; the CPU build of torch where that fits."""
    constraints = os.path.join(ROOT, "constraints.txt")
    if sys.platform == "linux" and not has_nvidia_gpu():
        say("  no NVIDIA GPU: trying the small CPU build of torch (about 200 MB to download)")
        cpu = ["--index-url", CPU_WHEELS, "--retries", "0", "--timeout", "10", "--no-deps"]
        status, _ = pip(cpu + ["-c", constraints, "torch"])
        if status != 0:
            say("  not to be had there: taking the plain build (2.5 GB to download on Linux)")
    package = ".[{}]".format(",".join(["test", *extras]))
    status, lines = pip(["--retries", "2", "-c", constraints, "-e", package])
    if status != 0:
        raise SetupError(explain(lines))


def fetch_data():
    """Download the real text (5 MB) while there is a network; the set-up is complete without it."""
    status, _ = run_quietly([VENV_PYTHON, os.path.join(ROOT, "tools", "fetch_data.py")])
    if status != 0:
        say("  the real text of chapter 08 could not be fetched; `make data` tries again and says why")


def has_nvidia_gpu():
    """Return whether a driver of NVIDIA is there (also under Windows' Linux)."""
    places = ("/proc/driver/nvidia/version", "/usr/lib/wsl/lib/nvidia-smi")
    return shutil.which("nvidia-smi") is not None or any(os.path.exists(place) for place in places)


def pip(arguments):
    """Run `pip install` of .venv, from the root of the project; return (status, lines)."""
    command = [VENV_PYTHON, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    return run_quietly(command + arguments)


def run_quietly(command):
    """Run a command; log all it says, show only downloads; return (status, the lines it wrote)."""
    # A reader's own settings for `pip install --user` or `--target` would miss .venv.
    ignored = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "PYTHONHOME", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in ignored}
    lines = []
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        errors="replace",
    )
    with process, open(LOG, "a", encoding="utf-8") as log:
        for line in process.stdout:
            log.write(line)
            lines.append(line.rstrip())
            show(lines[-1])
    return process.returncode, lines


def show(line):
    """Print what a waiting reader wants to know: large downloads, and that unpacking has begun."""
    download = re.match(r"\s*Downloading (?:\S*/)?([^\s/]+) \((\d+\.?\d* [MG]B)\)", line)
    if download:
        say("  downloading {} ({})".format(*download.groups()))
    elif line.startswith("Installing collected packages"):
        say("  unpacking and installing")


def explain(lines):
    """Return the likely cause and the cure, from what pip or venv wrote."""
    text = "\n".join(lines)
    missing = re.search(r"No matching distribution found for (\S+)", text)
    last = ([line for line in lines if line.strip()] or ["no message"])[-1].strip()
    if "No space left" in text:
        return "the disk is full: free 3 GB (10 GB for the build with CUDA) and run the same command again."
    if "ensurepip" in text:
        return "this Python cannot make an environment: install its venv package (Debian: python3-venv)."
    if NO_NETWORK.search(text):
        return "the package index cannot be reached: connect to the network and run the same command again."
    if missing:
        return "no build of {} for Python {} on this machine: try PYTHON=python3.12 or conda.".format(
            missing.group(1), version_text(sys.version_info)
        )
    return "{} (all of it: {})".format(last, os.path.relpath(LOG, ROOT))


def version_text(version):
    """Write (3, 12, ...) as 3.12."""
    return "{}.{}".format(*version[:2])


def say(line):
    """Print at once, also into a pipe."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
