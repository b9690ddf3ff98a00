"""Tools on knowledge: find a section of the notes, read a note."""

from __future__ import annotations

from avogit.operators.agent.session import Refused, Session
from avogit.operators.agent.tools.results import Arguments, numbered_part
from avogit.operators.knowledge import search

MAX_HITS = 8


def knowledge_search(session: Session, arguments: Arguments) -> str:
    """The sections that answer a query."""
    documents = session.context.knowledge()
    hits = search(documents, arguments["query"], MAX_HITS)
    found = (f"{hit.document}:{hit.line} {hit.heading}\n    {_flat(hit.excerpt)}" for hit in hits)
    return "\n".join(found) or f"nothing in {len(documents)} documents; try other words"


def knowledge_read(session: Session, arguments: Arguments) -> str:
    """A note, or some lines of it; without a name the notes that there are."""
    documents, name = session.context.knowledge(), arguments.get("file")
    if name is None:
        listed = (f"{name}  {len(data)} bytes" for name, data in sorted(documents.items()))
        return "\n".join(listed) or "there are no notes"
    if name not in documents:
        raise Refused(f"no {name!r}; there are: {', '.join(sorted(documents)) or 'none'}")
    return numbered_part(name, documents[name], arguments)


def _flat(text: str) -> str:
    return " ".join(text.split())
