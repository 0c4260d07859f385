"""The pages for people: what they link to and name exists, the index of decisions and the diagram of states are so."""

import re
from pathlib import Path

import pytest

from chalicelib.domain.transitions import TRANSITIONS

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = ROOT / "docs" / "decisions"
FILE = re.compile(r"`([\w.-]+/[\w./-]+\.\w+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
ROW = re.compile(r"^\| \[(\d{4})\]\((\S+)\) \| (.+) \| (\w+) \| (\d{4}-\d\d-\d\d) \|$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    targets = [link.partition("#")[0] for link in LINK.findall(page.read_text()) if "://" not in link]
    missing = [target for target in targets if target and not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md", "docs/extending.md"])
def test_every_file_that_a_newcomer_is_led_to_is_there(page: str) -> None:
    named = {name for name in FILE.findall((ROOT / page).read_text()) if "NAME" not in name}
    assert named
    assert not [name for name in named if not any((at / name).exists() for at in (ROOT, ROOT / "functions/chalicelib"))]


def test_the_diagram_of_states_has_every_move_and_no_other() -> None:
    diagram = (ROOT / "docs" / "architecture.md").read_text().partition("stateDiagram-v2")[2].partition("```")[0]
    drawn = re.findall(r"^    (\w+) --> (\w+)", diagram, re.MULTILINE)
    assert set(drawn) == {(before, after) for (before, _), after in TRANSITIONS.items()}


def test_the_index_lists_every_decision_with_its_title_status_and_date() -> None:
    listed = {
        (number, file, title, status, date)
        for number, file, title, status, date in ROW.findall((DECISIONS / "README.md").read_text())
    }
    stands = set()
    for path in DECISIONS.glob("[0-9]*.md"):
        heading, _, state = path.read_text().splitlines()[:3]
        number, _, title = heading.removeprefix("# ").partition(" · ")
        status, _, date = state.partition(" · ")
        stands.add((number, path.name, title, status.split()[0].lower(), date))
    assert listed == stands


def test_no_two_decisions_have_the_same_number() -> None:
    numbers = [int(path.name[:4]) for path in DECISIONS.glob("[0-9]*.md")]
    assert len(numbers) == len(set(numbers))
