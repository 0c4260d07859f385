"""Computed text between two marks in a page."""


def fill(page: str, begin: str, end: str, text: str) -> str:
    """The page with this text between the lines of the marks. Raises ValueError where it has none."""
    before, begun, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"The page has no place for computed text: it needs the lines {begin} and {end}.")
    return f"{before}{begin}\n{text}\n{end}{after}"
