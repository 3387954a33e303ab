"""The encoder of a library, as the bytes of its checkpoint; needs no torch."""

from __future__ import annotations

from hybridrec.encoder.checkpoint import shipped
from hybridrec.errors import NotReady
from hybridrec.storage.library import Library


def encoder_in_use(library: Library) -> bytes:
    """The checkpoint of the encoder that made a library's embeddings.

    Raises:
        NotReady: if the library has no encoder, or goes by vectors that its encoder did not make.
    """
    current = library.current("encoder")
    if current is None:
        raise NotReady(
            "the library has no encoder",
            fix="run `hybridrec ingest audio` or `hybridrec train-encoder`",
        )
    if current.fingerprint != library.encoder():
        fix = "run `hybridrec ingest audio` with its encoder"
        raise NotReady(
            "the library's embeddings were made by other ears than its encoder",
            got=library.encoder(),
            fix=fix,
        )
    return library.artefact_bytes("encoder", current.version)


def ensure_encoder(library: Library) -> bytes:
    """The library's current encoder, as the bytes of its checkpoint.

    A library without one gets the ears that come with hybridrec, until
    `hybridrec train-encoder` makes its own.
    """
    if library.current("encoder") is None:
        encoder = shipped()
        library.save_artefact("encoder", encoder.to_bytes(), encoder.fingerprint, encoder.figures)
    return library.artefact_bytes("encoder")
