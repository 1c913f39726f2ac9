"""Sphinx configuration: MyST pages, docstrings in numpydoc form."""

import re
from importlib.metadata import version as installed_version
from typing import Any

project = "napari-unet-studio"
author = "The napari-unet-studio developers"
project_copyright = f"2026, {author}"
release = version = installed_version(project)

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
# References under a docstring stand for the whole of it; the text need not cite them.
suppress_warnings = ["ref.citation", "ref.footnote"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
numpydoc_show_class_members = False
autosummary_generate = False

html_theme = "furo"
html_title = f"napari-unet-studio {release}"
html_baseurl = "https://napari-unet-studio.github.io/napari-unet-studio/"
html_favicon = "../src/napari_unet_studio/icon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "source_repository": "https://github.com/napari-unet-studio/napari-unet-studio",
    "source_branch": "main",
    "source_directory": "docs/",
}

_LITERAL = re.compile(r"(``.*?``)")
_SHAPE = re.compile(r"(?<=[(,\s])\*(?=\w[\w. ]*[,()])")
_ANNOTATED = re.compile(r"\bAnnotated\[([^\[\]{}]+), \{[^{}]*\}\]")


def adapt_docstring(
    app: object, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Allow shapes such as (N, C, *S), and sections in the docstring of a module."""
    for number, line in enumerate(lines):
        if what == "module" and line and set(line) == {"-"}:
            # Several modules share a page, where a section title may come only once.
            lines[number - 1 : number + 1] = [f".. rubric:: {lines[number - 1]}", ""]
            continue
        parts = _LITERAL.split(line)
        parts[::2] = [_SHAPE.sub(r"\\*", part) for part in parts[::2]]
        lines[number] = "".join(parts)


def drop_form_hints(
    app: object,
    what: str,
    name: str,
    obj: object,
    options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """Show ``Annotated[int, {limits of the form}]`` as ``int``."""
    return signature and _ANNOTATED.sub(r"\1", signature), returns


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", adapt_docstring, priority=900)
    app.connect("autodoc-process-signature", drop_form_hints)
