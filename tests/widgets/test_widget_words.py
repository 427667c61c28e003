"""The words of the widgets: each message of the code has its Chinese, and the catalogue no others."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import polib
import pytest

from seq2seq_edu import words
from seq2seq_edu.models import ATTENTIONS
from seq2seq_edu.widgets.base import FOLDER, page_script, with_chinese

TABLE = re.compile(r"_WORDS = \{\n(.*?)\n\};", re.DOTALL)  # of a script: message names and English texts
BRACES = re.compile(r"\{(\w+)")


def of_python(text: str) -> set[str]:
    """Return the messages of a Python file: what `say` is given, and the strings of tables ..._WORDS."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Attribute(attr="say"), args=[ast.Constant(value=str(message)), *_]):
                found.add(message)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(values=values)):
                table = values
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Tuple(elts=table)):
                pass
            case _:
                continue
        if isinstance(node, ast.Assign) and name.endswith("_WORDS"):
            found |= {str(one.value) for one in table if isinstance(one, ast.Constant)}
    return found


def of_script(text: str) -> set[str]:
    """Return the messages of a script: the texts of its table ..._WORDS."""
    return {message for table in TABLE.findall(text) for message in re.findall(r'(?<=: )"([^"]*)"', table)}


@pytest.fixture(scope="module")
def used() -> dict[str, list[str]]:
    """Give the files in which each message occurs; a score brings its title."""
    found = defaultdict(list)
    for path in sorted(FOLDER.iterdir()):
        if path.suffix in (".py", ".js"):
            read = of_python if path.suffix == ".py" else of_script
            for message in read(path.read_text(encoding="utf-8")):
                found[message].append(path.name)
    for kind in ATTENTIONS.values():
        found[kind.title].append("attention.py")
    return {message: sorted(names) for message, names in found.items()}


def test_the_catalogue_holds_the_messages_of_the_code_and_no_others(used: dict[str, list[str]]) -> None:
    entries = polib.pofile(str(words.LOCALE / "widgets.po"), encoding="utf-8", check_for_duplicates=True)
    held = {entry.msgid: [name for name, _ in entry.occurrences] for entry in entries}
    assert len(used) > 250 and all(entry.translated() for entry in entries)
    assert held == used, "widgets.po names each message once, with the files that hold it"


def test_what_is_filled_in_is_the_same_in_both_languages() -> None:
    for english, chinese in words.catalogue("widgets").items():
        assert set(BRACES.findall(english)) == set(BRACES.findall(chinese)), english


def test_scripts_carry_the_chinese_of_their_own_words_alone() -> None:
    script = with_chinese('const A_WORDS = { title: "Beam explorer" };')
    assert script.startswith('const CHINESE = {"Beam explorer": "束搜索探索器"};\n')
    assert page_script().count("束搜索探索器") == 1, "whether or not the widget was imported"


def test_another_catalogue_is_read_by_its_path_and_unfinished_entries_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "site.po"
    path.write_text(
        'msgid "Menu"\nmsgstr "目录"\n\nmsgid "new"\nmsgstr ""\n\n#, fuzzy\nmsgid "a"\nmsgstr "b"\n', "utf-8"
    )
    assert words.catalogue(path) == {"Menu": "目录"}


def test_messages_are_found() -> None:
    code = 'self.say("a {b}", b=1)\nA_WORDS = {"k": "v"}\nB_WORDS = ("w",)\nC = {"x": "y"}\nf("z")'
    assert of_python(code) == {"a {b}", "v", "w"}
    script = 'const A_WORDS = {\n  title: "T", "k-l": "it\'s: {n}",\n};\nt("no");'
    assert of_script(script) == {"T", "it's: {n}"}
