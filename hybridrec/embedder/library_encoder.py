"""The encoder of a library, as the bytes of its checkpoint; needs no torch."""

from __future__ import annotations

from hybridrec.encoder.checkpoint import is_outdated, shipped
from hybridrec.errors import NotReady
from hybridrec.storage.library import Library


def encoder_in_use(library: Library) -> bytes:
    """The checkpoint of the encoder that made a library's embeddings.

    Raises:
        NotReady: if the library has no encoder, or uses embeddings that its encoder did not make.
    """
    current, fingerprint = library.current("encoder"), library.fingerprint()
    if current is None:
        fix = "run `hybridrec ingest audio` or `hybridrec train-encoder`"
        raise NotReady("the library has no encoder", fix=fix)
    if current.fingerprint != fingerprint:
        what = "the library's embeddings were made by another encoder than its own"
        fix = "run `hybridrec ingest audio` with its encoder"
        raise NotReady(what, got=fingerprint, fix=fix)
    return library.artefact_bytes("encoder", current.version)


def ensure_encoder(library: Library) -> bytes:
    """The library's current encoder, as the bytes of its checkpoint.

    A library without one gets the encoder that comes with hybridrec, until
    `hybridrec train-encoder` makes its own; so does one whose encoder is of an older release
    and cannot be run any more. Stored embeddings stay until their files are embedded again.
    """
    current = library.current("encoder")
    if current is None or is_outdated(library.artefact_bytes("encoder", current.version)):
        encoder = shipped()
        library.save_artefact("encoder", encoder.to_bytes(), encoder.fingerprint, encoder.figures)
    return library.artefact_bytes("encoder")
