"""The rooms of the package: no PyTorch where NumPy is enough, breaches of the floors named, a whole map."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import seq2seq_edu

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_TORCH = (
    "equations",
    "gradients",
    "metrics",
    "plots",
    "notebook",
    "grading",
    "data.grammar",
    "data.corpora",
    "experiments.records",
)


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, **options)


def test_what_needs_no_pytorch_does_not_load_it() -> None:
    """One after the other in a fresh process, faces and their names too."""
    code = "import importlib, sys\n"
    for room in WITHOUT_TORCH:
        code += f"importlib.import_module('seq2seq_edu.{room}')\nprint('{room}', 'torch' in sys.modules)\n"
    code += "from seq2seq_edu.data import PAD, Vocabulary, reversal\nprint('text', 'torch' in sys.modules)\n"
    code += "from seq2seq_edu.data import make_batch\nprint('batches', 'torch' in sys.modules)\n"
    said = run("-c", code, check=True).stdout.split()
    loaded = [room for room, answer in zip(said[::2], said[1::2], strict=True) if answer == "True"]
    assert loaded == ["batches"]


def test_a_breach_of_the_floors_is_named(tmp_path: Path) -> None:
    """The contracts of pyproject.toml, on a copy in which equations reach up to training."""
    package = tmp_path / "seq2seq_edu"
    for path in (ROOT / "seq2seq_edu").rglob("*.py"):
        copy = package / path.relative_to(ROOT / "seq2seq_edu")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    check = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as c; c()"

    def lint() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", check, "--no-cache"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    kept = lint()
    assert kept.returncode == 0, kept.stdout
    with (package / "equations.py").open("a") as file:
        file.write("\nfrom seq2seq_edu.training import train\n")
    broken = lint()
    assert broken.returncode == 1
    assert "seq2seq_edu.equations is not allowed to import seq2seq_edu.training" in " ".join(
        broken.stdout.split()
    )


@pytest.mark.parametrize("text", [seq2seq_edu.__doc__, (ROOT / "README.md").read_text(encoding="utf-8")])
def test_the_map_names_every_room(text: str) -> None:
    rooms = {path.stem for path in (ROOT / "seq2seq_edu").iterdir() if path.is_dir() or path.suffix == ".py"}
    rooms -= {"__init__", "__main__", "__pycache__", "files", "fonts", "locale"}
    missing = {room for room in rooms if not re.search(rf"(^|[`/ ]){room}\b", text, flags=re.MULTILINE)}
    assert not missing, f"the map does not tell what {', '.join(sorted(missing))} is for"


def test_files_of_the_package_that_a_page_names_are_there() -> None:
    pages = [
        path for pattern in ("*.md", "*/README.md", "checkpoints/*/README.md") for path in ROOT.glob(pattern)
    ]
    named = {
        name for page in pages for name in re.findall(r"seq2seq_edu/[\w/]+\.py", page.read_text("utf-8"))
    }
    missing = {name for name in named if not (ROOT / name).exists()}
    assert named and not missing, f"no longer there: {', '.join(sorted(missing))}"
