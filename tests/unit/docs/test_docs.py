"""The pages for people: what they link to exists, and the index of decisions lists every one as it stands."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = ROOT / "docs" / "decisions"
LINK = re.compile(r"\]\(([^)\s]+)\)")
ROW = re.compile(r"^\| \[(\d{4})\]\((\S+)\) \| (.+) \| (\w+) \| (\d{4}-\d\d-\d\d) \|$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    targets = [link.partition("#")[0] for link in LINK.findall(page.read_text()) if "://" not in link]
    missing = [target for target in targets if target and not (page.parent / target).exists()]
    assert not missing


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
