"""Renders what a model, a program or a reviewer is told. The one door to jinja2.

Owns loading from `templates/`, or from what the user's repository has in place of it; a
variable that a template names and nobody gave is an error. Leaves the words to the templates.
"""

from __future__ import annotations

from collections.abc import Mapping

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from avogit.errors import AvogitError
from avogit.resources import resource

USER_TEMPLATES = ".avogit/templates"  # in the user's repository
_IN_EXPRESSIONS = (ArithmeticError, LookupError, TypeError, ValueError)  # jinja2 lets them through


def render(template: str, overrides: Mapping[str, str] | None = None, /, **values: object) -> str:
    """A template of `templates/`, or the user's of that name, filled."""
    environment = SandboxedEnvironment(  # a cloned repository's templates run here too
        loader=jinja2.ChoiceLoader(
            [jinja2.DictLoader(overrides or {}), jinja2.FileSystemLoader(resource("templates"))]
        ),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # plain text
    )
    try:
        return environment.get_template(template).render(values)
    except (jinja2.TemplateError, *_IN_EXPRESSIONS) as error:
        if not overrides:
            raise
        names = ", ".join(sorted(overrides))
        raise AvogitError(
            f"cannot render {template} with your templates ({error}): correct what "
            f"{USER_TEMPLATES} holds as committed ({names}), or remove it"
        ) from error


def template_text(template: str) -> str:
    """A template of `templates/` that has nothing to fill."""
    return (resource("templates") / template).read_text(encoding="utf-8")
