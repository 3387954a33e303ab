"""Hooks of the documentation's build: the OpenAPI document is written anew before each build."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

OPENAPI = Path(__file__).parents[1] / "docs" / "reference" / "openapi.json"


def on_pre_build(**_: Any) -> None:
    """Write the OpenAPI document of an empty library to docs/reference, for the HTTP page."""
    text = json.dumps(openapi_document(), indent=1)
    if not OPENAPI.exists() or OPENAPI.read_text() != text:  # mkdocs serve watches the folder
        OPENAPI.write_text(text)


def openapi_document() -> dict[str, Any]:
    """The OpenAPI document, as `/openapi.json` answers it."""
    from hybridrec.api.app import create_app
    from hybridrec.serving.service import RecommendationService
    from hybridrec.storage.library import Library

    with (
        TemporaryDirectory() as place,
        Library.open(Path(place) / "library", create=True) as library,
    ):
        document: dict[str, Any] = create_app(RecommendationService(library)).api_doc
    return document
