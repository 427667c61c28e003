"""Where a stranger's notebook runs: inside walls (bubblewrap, else Docker or podman), or not at all.

Inside there are this package without the modules that teach the answers, the interpreter with its
libraries, all read-only, and a small /tmp; no network, no other file, no other process, no environment. The
notebook comes through the pipe that the worker listens to.
"""

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

PACKAGE = Path(__file__).resolve().parents[1]
PYTHON = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
SYSTEM = "/usr /bin /sbin /lib /lib32 /lib64 /etc/alternatives /etc/fonts /etc/ld.so.cache".split()
LIBRARIES = [path for path in sys.path if path.endswith("-packages") and Path(path).is_dir()]
WORKER = "from seq2seq_edu.grading.worker import main; main()"
PROBE = "import numpy, seq2seq_edu.grading.wire; print('ready')"
IMAGE = "debian:stable-slim"  # for Docker and podman: an empty house, the programs are those of this machine
DISK = 256 * 2**20  # bytes of /tmp
PROCESSES = 100
CONTAINERS = ("docker", "podman")
NOBODY = 65534
ENVIRONMENT = {
    "SEQ2SEQ_EDU_GRADING": "1",
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    **dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR"), "/tmp"),
    **{"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "USER": "student", "MPLBACKEND": "Agg"},
}
BANNER = """\
NO SANDBOX: these notebooks run as you, with your files and your network. Only for notebooks that you
wrote yourself: one from anybody else can read, change and send away whatever you can."""


class SandboxError(ValueError):
    """There are no walls here: the message says why, and what to install."""


@dataclass(frozen=True)
class Sandbox:
    """Walls around a notebook."""

    name: str
    tool: str = ""

    def command(self, hides: tuple[str, ...] = (), program: str = WORKER) -> list[str]:
        """Return the command line that runs Python code inside."""
        paths = [*LIBRARIES, *([] if str(PACKAGE.parent) in LIBRARIES else [str(PACKAGE.parent)])]
        # -S: not the start-up files of the libraries, but the path that they would make
        python = [str(PYTHON), "-I", "-S", "-c", f"import sys; sys.path += {paths!r}; {program}"]
        if self.name == "bwrap":
            return [*_nobody(self.tool), self.tool, *_bwrap(hides), "--", *python]
        if self.name in CONTAINERS:
            return [self.tool, *_container(hides), "--entrypoint", python[0], IMAGE, *python[1:]]
        return python

    def start(self, hides: tuple[str, ...] = (), program: str = WORKER) -> subprocess.Popen[bytes]:
        """Start Python code inside; its standard input and output are pipes to it."""
        command, pipe = self.command(hides, program), subprocess.PIPE
        # bwrap's own environment can be read inside (/proc/1/environ): it gets none
        environment = {} if self.name == "bwrap" else {**os.environ} if self.tool else ENVIRONMENT
        errors = pipe if program == PROBE else subprocess.DEVNULL
        return subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=errors, env=environment, cwd="/", start_new_session=True
        )

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """End all that runs inside."""
        if self.name in CONTAINERS:
            command = cast("list[str]", process.args)
            label = command[command.index("--name") + 1]
            subprocess.run([self.tool, "rm", "--force", label], capture_output=True)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # bwrap takes with it all that it started
        process.wait()
        for stream in filter(None, (process.stdin, process.stdout)):
            stream.close()


def _visible(hides: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield (what, path) in order: "show" a file or folder of this machine, or leave it "empty"."""
    shown, project = [*SYSTEM, sys.base_prefix], PACKAGE.parent
    yield from (("show", path) for path in shown if Path(path).exists())
    if str(project) not in LIBRARIES and any(Path(root) in project.parents for root in shown):
        yield "empty", str(project)  # such as /usr/src/app, which came in with /usr
    yield from (("show", path) for path in (*LIBRARIES, str(PACKAGE)))
    places = [PACKAGE.joinpath(*module.split(".")) for module in hides]
    for place in places:
        yield ("empty", str(place)) if place.is_dir() else ("hide", str(place.with_suffix(".py")))
    for cache in sorted({place.parent / "__pycache__" for place in places}):
        if cache.is_dir():
            yield "empty", str(cache)


def _nobody(bwrap: str) -> Iterator[str]:
    """Yield, for root alone, what becomes nobody first: the limit of processes does not bind root.

    Nobody may not enter every folder (/root), so a first bwrap lays the few that count where all may.
    """
    if os.geteuid() != 0:
        return
    # a namespace of processes: it ends with this bwrap, who may not kill in the name of nobody
    yield from (bwrap, "--die-with-parent", "--unshare-pid", "--dir", "/tmp")
    yield from ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
    yield from ("--dev-bind", "/proc", "/proc", "--dev-bind", "/dev", "/dev")
    for path in (path for what, path in _visible(()) if what == "show"):
        for parent in [*Path(path).parents][-2::-1]:
            yield from ("--perms", "0755", "--dir", str(parent))
        yield from ("--ro-bind", path, path)
    yield from ("--", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")


def _bwrap(hides: tuple[str, ...]) -> Iterator[str]:
    """Yield the options of bubblewrap."""
    yield from ("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session")
    yield from ("--cap-drop", "ALL", "--uid", "1000", "--gid", "1000", "--hostname", "notebook", "--clearenv")
    for name, value in ENVIRONMENT.items():
        yield from ("--setenv", name, value)
    yield from ("--proc", "/proc", "--dev", "/dev")
    yield from ("--size", str(DISK), "--tmpfs", "/dev/shm", "--size", str(DISK), "--tmpfs", "/tmp")
    for what, path in _visible(hides):  # after /tmp, which may hold the libraries
        source = [] if what == "empty" else ["/dev/null" if what == "hide" else path]
        yield from ("--ro-bind" if source else "--tmpfs", *source, path)
    for what, path in _visible(hides):
        yield from ("--remount-ro", path) if what == "empty" else ()
    yield from ("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp")  # last: no limit on these two


def _container(hides: tuple[str, ...]) -> Iterator[str]:
    """Yield the options of Docker and podman."""
    yield from ("run", "--rm", "--interactive", "--init", "--name", f"seq2seq-edu-{uuid.uuid4().hex}")
    yield from ("--network", "none", "--read-only", "--cap-drop", "ALL", "--user", f"{NOBODY}:{NOBODY}")
    yield from ("--security-opt", "no-new-privileges", "--pids-limit", str(PROCESSES), "--log-driver", "none")
    yield from ("--memory", "3g", "--memory-swap", "3g", "--hostname", "notebook", "--workdir", "/tmp")
    for name, value in ENVIRONMENT.items():
        yield from ("--env", f"{name}={value}")
    yield from ("--tmpfs", f"/tmp:rw,nosuid,nodev,mode=1777,size={DISK}")
    for what, path in _visible(hides):
        source = "/dev/null" if what == "hide" else path
        quoted = f'"target={path}"', f'"source={source}"'  # a comma in a path is part of the path
        yield "--mount"
        yield f"type=tmpfs,{quoted[0]}" if what == "empty" else f"type=bind,{','.join(quoted)},readonly"


def choose(unsafe: bool = False) -> Sandbox:
    """Find walls that hold here, by running something inside."""
    if os.name == "nt":
        raise SandboxError("grading needs Linux or macOS: on Windows, use WSL")
    if unsafe:
        return Sandbox("none")
    reasons = []
    for name in ("bwrap", *CONTAINERS):
        sandbox = Sandbox(name, shutil.which(name) or "")
        reason = _probe(sandbox) if sandbox.tool else "not installed"
        if not reason:
            return sandbox
        reasons.append(f"  {name}: {reason}")
    raise SandboxError(
        "no sandbox works here, so no stranger's notebook is run:\n" + "\n".join(reasons) + "\n"
        "Install bubblewrap 0.8 or newer (apt install bubblewrap, dnf install bubblewrap). Where the\n"
        "system forbids user namespaces (Ubuntu 23.10 and newer, many build servers), allow them for bwrap,\n"
        "or install Docker or podman. For notebooks that you wrote yourself: --unsafe-no-sandbox"
    )


def _probe(sandbox: Sandbox) -> str:
    """Return why these walls do not work here, or nothing if they do."""
    try:
        process = sandbox.start(("equations",), PROBE)
        try:
            said, complaint = process.communicate(timeout=60)
        finally:
            sandbox.stop(process)
    except (OSError, subprocess.SubprocessError) as error:
        return f"{type(error).__name__}: {error}"
    lines = complaint.decode(errors="replace").strip().splitlines()
    return "" if said == b"ready\n" else lines[-1] if lines else f"it ended with {process.returncode}"
