"""Where pages and raw figures lie, and how tables come into pages: between `<!-- NAME -->` and `<!-- end -->`."""

import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
RESULTS = DOCS / "results"  # raw figures, which the site has too


def filled(text: str, names: str, made: Callable[[str], str]) -> str:
    """A page's text with what stands between those comments made anew.

    Args:
        names: a regular expression of the names that are meant.
        made: from a name to what belongs there.
    """
    place = re.compile(rf"<!-- (?P<name>{names}) -->.*?<!-- end -->", re.DOTALL)
    return place.sub(lambda match: f"<!-- {match['name']} -->\n\n{made(match['name'])}\n\n<!-- end -->", text)
