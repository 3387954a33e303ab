"""The web page."""

from __future__ import annotations

from flask import Blueprint, render_template

from ..context import service, settings

page = Blueprint(
    "page",
    __name__,
    static_folder="../static",
    template_folder="../templates",
    static_url_path="/static",
)


@page.get("/")
def index() -> str:
    """The page, with the size of the library unless that needs a token; scripts fetch the rest."""
    state = None if settings().require_tokens else service().readiness()
    return render_template("index.html", state=state, upload_limit=settings().upload_limit_bytes)
