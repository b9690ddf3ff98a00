"""Renders what an operator tells a model or a program. The one door to jinja2.

Owns loading from `templates/`; a variable that a template names and nobody gave is an error.
Leaves the words to the templates.
"""

from __future__ import annotations

import jinja2

from avogit.resources import resource


def render(template: str, **values: object) -> str:
    """A template of `templates/`, filled."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # plain text
    )
    return environment.get_template(template).render(values)


def template_text(template: str) -> str:
    """A template of `templates/` that has nothing to fill."""
    return (resource("templates") / template).read_text(encoding="utf-8")
