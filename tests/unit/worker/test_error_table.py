"""``DESIGN.md`` tells of every code where it is proved, or why it cannot arise; here that is held against the program."""

import ast
import re
from pathlib import Path

import pytest

from oms_worker.error_codes import CODES
from oms_worker.error_codes_v1 import OUTDATED
from oms_worker.errors import ApiError
from oms_worker.shapes.v1 import code_of_v1

ROOT = Path(__file__).parents[3]
CODE = re.compile(r"\b(?:APIGW|OMS|TRF|S3M)\.\d{4}\b")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
IMPOSSIBLE = "cannot arise: "


def rows():
    """The table's rows: their codes, and what is said of them."""
    section = (ROOT / "DESIGN.md").read_text().partition("## Error codes\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return [(CODE.findall(codes), proof) for codes, proof in cells[2:]]


def program():
    """Every code that stands in the program's own texts, the tables of codes apart."""
    found = set()
    for folder in ("engine", "adapters", "worker"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.name not in {"error_codes.py", "error_codes_v1.py"}:
                found.update(literals(ast.parse(path.read_text())))
    return found


def literals(tree):
    """Codes that are whole texts of a program: docstrings, which only tell of them, do not count."""
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {text for text in texts if CODE.fullmatch(text)}


ROWS = rows()
WRITTEN = program()
IN_TABLE = [code for codes, _ in ROWS for code in codes]
POSSIBLE = {code for codes, proof in ROWS if not proof.startswith(IMPOSSIBLE) for code in codes}


def test_each_code_stands_in_the_table_once():
    """None is forgotten, none is told of twice, none is made up."""
    assert len(IN_TABLE) == len(set(IN_TABLE))
    assert set(IN_TABLE) == {*CODES, *OUTDATED}


@pytest.mark.parametrize(("codes", "proof"), ROWS, ids=[codes[0] for codes, _ in ROWS])
def test_each_proof_exists_and_speaks_of_its_codes(codes, proof):
    """A test that is named is there, and its file holds each code; a reason why not is a reason, and holds no test."""
    named = TEST.findall(proof)
    if proof.startswith(IMPOSSIBLE):
        assert not named
        assert len(proof) > len(IMPOSSIBLE) + 20
        return
    ((path, name),) = named
    text = (ROOT / path).read_text()
    functions = {
        node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert name in functions
    assert not [code for code in codes if code not in text]


def test_the_program_knows_no_other_code():
    """A code that the program writes is one of OMS's, and one that the table says can arise."""
    assert {*CODES, *OUTDATED} >= WRITTEN
    assert WRITTEN <= POSSIBLE


def test_each_possible_code_stands_in_the_program():
    """What is proved is written somewhere: by itself, or as the second version's code that the first one translates."""
    translated = {code_of_v1(code) for code in WRITTEN}
    assert WRITTEN | translated >= POSSIBLE


def test_the_first_version_answers_with_its_own_codes():
    """Each code of the second version becomes one that the first one's reference has, or stays as it is."""
    for code in CODES:
        told = code_of_v1(code)
        assert told == code or told in OUTDATED
    assert not [code for code in CODES if code_of_v1(code) == code and code.replace("OMS", "S3M") in OUTDATED]


@pytest.mark.parametrize("code", [*CODES, *OUTDATED])
def test_each_code_has_a_sentence_and_no_success(code):
    """Whichever code is raised, the client is told a sentence of OMS's, and a status that is a refusal."""
    error = ApiError(code)
    assert len(str(error)) > 10
    assert "carried out" not in str(error)
    assert 400 <= error.http_status < 600
