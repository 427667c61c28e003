"""Look at this machine and say what would stop a reader, each problem with its cure.

Nothing of the package or of its libraries is imported before it is checked, so that a broken installation is
reported, not a traceback.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

OLDEST_PYTHON, OLDEST_TORCH = (3, 10), (2, 6)
DISK_NEEDED = 1_000_000_000  # bytes: the corpora (10 MB), checkpoints of several runs
REINSTALL = "run `make setup` in the project's folder (conda: `pip install -e .`)"
FONTS = Path(__file__).parent / "fonts"
SAMPLE = "注意力权重"  # "attention weights": characters that the figures must be able to draw


class Finding(NamedTuple):
    """One line of the report: what was looked at, whether it is fine, what was found, what to do about it."""

    name: str
    ok: bool
    found: str
    cure: str = ""


def judged(name: str, ok: bool, found: str, cure: str = REINSTALL) -> Finding:
    """Return a finding with its cure, if it needs one."""
    return Finding(name, ok, found, "" if ok else cure)


def check_python() -> Finding:
    """Compare this Python with the oldest one that the package runs on."""
    found = f"{'.'.join(map(str, sys.version_info[:3]))} ({sys.executable})"
    cure = "make .venv again: `make setup PYTHON=python3.12`"
    return judged("Python", sys.version_info[:2] >= OLDEST_PYTHON, found, cure)


def check_libraries() -> Finding:
    """Look for every library that the package asks for, by name."""
    try:
        asked = importlib.metadata.requires("seq2seq-edu") or []
    except importlib.metadata.PackageNotFoundError:
        return judged("libraries", False, "seq2seq-edu itself is not installed")
    names = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in asked if "extra ==" not in line]
    missing = [name for name in names if _version(name) is None]
    found = "not installed: " + ", ".join(missing) if missing else f"all {len(names)} installed"
    return judged("libraries", not missing, found)


def check_torch() -> Finding:
    """Import PyTorch and compare it with the oldest release that the package runs on."""
    try:
        version = str(importlib.import_module("torch").__version__)
    except (ImportError, OSError) as error:  # OSError: a shared library of it does not load
        return judged("PyTorch", False, f"does not import ({error})")
    return judged("PyTorch", tuple(map(int, re.findall(r"\d+", version)[:2])) >= OLDEST_TORCH, version)


def check_device() -> Finding:
    """Say where training would run, and whether an NVIDIA GPU lies idle."""
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError):
        return Finding("device", True, "unknown: PyTorch does not import")
    if torch.cuda.is_available():
        return Finding("device", True, f"CUDA: {torch.cuda.get_device_name(0)}")
    cure = "to use the NVIDIA GPU, install a build of torch with CUDA (https://pytorch.org/get-started)"
    found = f"CPU, {torch.get_num_threads()} threads; no CUDA, and none is needed"
    return Finding("device", True, found, cure if shutil.which("nvidia-smi") else "")


def check_fonts(folder: Path = FONTS) -> Finding:
    """Load the shipped Chinese font and look for the characters that the figures use."""
    for file in folder.glob("*.[ot]tf"):
        try:
            font = importlib.import_module("matplotlib.ft2font").FT2Font(str(file))
        except (ImportError, OSError, RuntimeError) as error:  # RuntimeError: not a font, or cut short
            return judged("fonts", False, f"{file.name} does not load ({error})")
        missing = [letter for letter in SAMPLE if font.get_char_index(ord(letter)) == 0]
        lacks = f"{file.name} lacks {len(missing)} characters"
        return judged("fonts", not missing, lacks if missing else file.name)
    return judged("fonts", False, "the Chinese font of the package is missing")


def check_data() -> Finding:
    """Look for the corpora in the data folder and compare their hashes with the published ones."""
    try:
        corpora = importlib.import_module("seq2seq_edu.data.corpora")
    except ImportError as error:
        return judged("data", False, f"cannot look ({error})")
    folder = corpora.data_folder(None)
    here = [name for name in corpora.SHA256 if (folder / name).is_file()]
    try:
        hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in here}
    except OSError as error:
        return Finding("data", False, f"cannot read {folder} ({error.strerror})", "make it readable for you")
    if spoilt := [name for name in here if hashes[name] != corpora.SHA256[name]]:
        cure = f"remove {folder / spoilt[0]}: it is downloaded again when needed"
        return Finding("data", False, f"not the published file: {', '.join(spoilt)}", cure)
    found = f"{len(here)} of {len(corpora.SHA256)} files in {folder}"
    later = "what is missing is downloaded on first use; to keep it elsewhere, set SEQ2SEQ_EDU_DATA"
    return Finding("data", True, found, later if len(here) < len(corpora.SHA256) else "")


def check_output() -> Finding:
    """Try to write in this folder, where runs are stored, leaving nothing behind."""
    try:
        with tempfile.TemporaryFile(dir=Path.cwd()) as file:
            file.write(b"x")
    except OSError as error:
        cure = "choose another folder: `seq2seq-edu train --out FOLDER`"
        return Finding("output", False, f"cannot write in {Path.cwd()} ({error.strerror})", cure)
    return Finding("output", True, f"can write in {Path.cwd()}")


def check_disk() -> Finding:
    """Measure the free space in this folder, where runs are stored."""
    free = shutil.disk_usage(Path.cwd()).free
    cure = "free at least 1 GB, or choose a folder on another disk (`--out FOLDER`)"
    return judged("disk", free >= DISK_NEEDED, f"{free / 1e9:.1f} GB free", cure)


def check_jupyter() -> Finding:
    """Look for JupyterLab, its kernel and its widgets."""
    versions = {name: _version(name) for name in ("jupyterlab", "ipykernel", "ipywidgets")}
    found = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    return judged("Jupyter", all(versions.values()), found)


CHECKS = (
    check_python, check_libraries, check_torch, check_device,
    check_jupyter, check_fonts, check_data, check_output, check_disk,
)  # fmt: skip


def examine() -> list[Finding]:
    """Make all checks.

    Returns
    -------
    findings : list of Finding
        In the order in which they would stop a reader.
    """
    return [check() for check in CHECKS]


def main() -> int:
    """Print the findings, a cure under the line it belongs to, and count the problems."""
    findings = examine()
    for finding in findings:
        state = ("note" if finding.cure else "ok") if finding.ok else "PROBLEM"
        print(f"{state:<8} {finding.name:<10} {finding.found}")
        if finding.cure:
            print(f"{'':<20}-> {finding.cure}")
    problems = sum(not finding.ok for finding in findings)
    ask = f"{problems} problem{'s' * (problems > 1)}: do what the arrow says, then ask again."
    print(ask if problems else "Everything is in place.")
    return int(problems > 0)


def _version(distribution: str) -> str | None:
    """Return the installed version, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
