"""What only the leaderboard's page needs: is it installed? Asked before any work, for a study takes days."""

from __future__ import annotations

from vrs_lmeval.asking.missing_packages import find_fault

PACKAGES = ("plotly", "jinja2")

INSTALL = 'pip install "vrs_lmeval[page]"'


class MissingPagePackageError(ImportError):
    """The page cannot be drawn; the message says in one line what to install."""


def require_page_packages() -> None:
    """Raises MissingPagePackageError where one is missing or broken."""
    for package in PACKAGES:
        fault = find_fault(package)
        if fault is not None:
            reason = "" if fault == "not installed" else f", which cannot be imported ({fault})"
            raise MissingPagePackageError(f"the page needs {package}{reason}: {INSTALL}")
