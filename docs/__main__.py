"""Builds the documentation site, the API reference included: `python -m docs [--out site]`.

Needs `pip install -e '.[docs]'`. The pages of the commands are updated first (`make_commands`). The
site's source is a copy of all pages, of the files that they link to, and of one generated page for
each package. A broken link, a page without a place in the navigation, or a docstring that cannot be
rendered fails the build.
"""

import argparse
import logging
import re
import shutil
import tempfile
from pathlib import Path

from docs import make_commands

ROOT = Path(__file__).parent.parent
PACKAGES = ("harness", "search_spaces", "objectives", "reports")
FOLDERS = (".", "docs", "docs/commands", "objectives", "search_spaces")


def pages() -> list[Path]:
    """Every page that people read, relative to the root."""
    return sorted(
        file.relative_to(ROOT) for folder in FOLDERS for file in (ROOT / folder).glob("*.md")
    )


def linked_files(page: Path) -> set[Path]:
    """The files of the repository that a page links to or shows, relative to the root."""
    targets = re.findall(r"\]\(([^)\s#]+)", (ROOT / page).read_text(encoding="utf-8"))
    files = {(ROOT / page.parent / target).resolve() for target in targets if "://" not in target}
    return {file.relative_to(ROOT) for file in files if file.is_file()}


def api_pages() -> dict[str, str]:
    """A page for each package, by the package's dotted name."""
    packages = sorted(
        file.parent.relative_to(ROOT)
        for package in PACKAGES
        for file in (ROOT / package).rglob("__init__.py")
    )
    return {".".join(package.parts): api_page(package) for package in packages}


def api_page(package: Path) -> str:
    """What mkdocstrings needs in order to render a package and the modules directly inside it.

    Of what the package itself exports, also the fields that have no docstring are listed.
    """
    name = ".".join(package.parts)
    options = "    options: {show_root_heading: false, show_if_no_docstring: true}"
    modules = sorted(file.stem for file in (ROOT / package).glob("[!_]*.py"))
    blocks = [f"::: {name}\n{options}", *(f"::: {name}.{module}" for module in modules)]
    return "\n\n".join([f"# {name}", *blocks, ""])


def gather(folder: Path) -> list[dict[str, str]]:
    """Copy the site's source into a folder; returns the API reference's part of the navigation."""
    for file in {*pages(), *(linked for page in pages() for linked in linked_files(page))}:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, folder / file)
    (folder / "api").mkdir()
    reference = api_pages()
    for name, text in reference.items():
        (folder / "api" / f"{name}.md").write_text(text, encoding="utf-8")
    return [{name: f"api/{name}.md"} for name in reference]


def build(out: Path) -> None:
    """Build the site into a folder, which is emptied first."""
    from mkdocs.commands.build import build as build_site
    from mkdocs.config import load_config

    with tempfile.TemporaryDirectory() as folder:
        reference = gather(Path(folder))
        config = load_config(
            str(ROOT / "docs" / "mkdocs.yml"), docs_dir=folder, site_dir=str(out.absolute())
        )
        commands = sorted(page.as_posix() for page in pages() if page.parent.name == "commands")
        config.nav = [*config.nav, {"Commands": commands}, {"API reference": reference}]
        config.plugins.on_startup(command="build", dirty=False)
        build_site(config)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m docs", description="Build the site.")
    parser.add_argument("--out", type=Path, default=ROOT / "site", help="where to (site)")
    asked = parser.parse_args()
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    make_commands.main()
    build(asked.out)


if __name__ == "__main__":
    main()
