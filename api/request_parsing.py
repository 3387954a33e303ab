"""Parsing of request bodies: strict JSON, and uploads into a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from flask import Request, abort, request
from flask.json.provider import DefaultJSONProvider
from pydantic_core import from_json
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from hybridrec.errors import AudioError

from .context import settings

MOST_JSON_VALUES = 300_000
"""In one document: 300 for each of 1000 listens."""

MOST_FORM_PARTS = 20
MOST_FILES = 1


class StrictJson(DefaultJSONProvider):
    """Refuses NaN, lone surrogates and deep nesting with 400, and too many values with 413."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Read a JSON document.

        Raises:
            ValueError: if it is not JSON.
            RequestEntityTooLarge: for more values than any endpoint takes, before parsing.
        """
        comma = "," if isinstance(s, str) else b","
        if s.count(comma) > MOST_JSON_VALUES:  # type: ignore[arg-type]
            error = RequestEntityTooLarge(
                f"a JSON document may have at most {MOST_JSON_VALUES} values"
            )
            error.fix = "send less in one request"  # type: ignore[attr-defined]
            raise error
        return from_json(s, allow_inf_nan=False)


class UploadRequest(Request):
    """A request whose file is written to disk once, under a name that the server chooses."""

    max_form_parts = MOST_FORM_PARTS
    _files = 0

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        self._files += 1
        if self._files > MOST_FILES:
            raise RequestEntityTooLarge(f"a form may have at most {MOST_FILES} file")
        return tempfile.NamedTemporaryFile(prefix="hybridrec-upload-")

    def on_json_loading_failed(self, e: ValueError | None) -> Any:
        """Respond with 400 and the place of the error; without one the media type is wrong: 415."""
        if e is None:
            return super().on_json_loading_failed(e)
        abort(400, f"the body is not JSON: {e}")


@contextmanager
def uploaded(upload: FileStorage) -> Iterator[Path]:
    """The path of an upload, until the block ends.

    Raises:
        AudioError: raised in the block, with the client's file name instead of the temporary one.
    """
    upload.stream.flush()
    path = Path(upload.stream.name)
    try:
        yield path
    except AudioError as error:
        what = error.what.replace(str(path), path.name).replace(
            path.name, upload.filename or "the file"
        )
        raise AudioError(what, got=error.got, fix=error.fix) from error


def read_json(limit_bytes: int, *, force: bool = False) -> None:
    """Read a JSON body: 413 if it is too long, 400 if it is invalid, 415 for other media types.

    Args:
        limit_bytes: the longest body.
        force: accept any media type.
    """
    request.max_content_length = limit_bytes
    request.get_data()
    if request.content_length is None:
        request.stream.read(1)  # a chunked body is cut off at the limit; reading on is a 413
    request.get_json(force=force)


def expect_json() -> None:
    """Before an endpoint that takes JSON: see `read_json`."""
    if request.method == "POST":
        read_json(settings().body_limit_bytes)


def expect_form() -> None:
    """Before an endpoint that takes a file: 415 unless the body is a multipart form."""
    if request.method == "POST" and request.mimetype != "multipart/form-data":
        abort(415, "the audio file must come as multipart/form-data")
