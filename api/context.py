"""The service and the settings of the application that answers the current request."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app

from hybridrec.serving.service import RecommendationService

from .settings import ApiSettings

_KEY = "hybridrec"


@dataclass(frozen=True)
class _Context:
    service: RecommendationService
    settings: ApiSettings


def set_context(app: Flask, service: RecommendationService, settings: ApiSettings) -> None:
    """Store the service and the settings in an application, before its first request."""
    app.extensions[_KEY] = _Context(service, settings)


def service() -> RecommendationService:
    """The service behind the application that answers this request."""
    return _context().service


def settings() -> ApiSettings:
    """The settings of the application that answers this request."""
    return _context().settings


def _context() -> _Context:
    context = current_app.extensions[_KEY]
    assert isinstance(context, _Context)
    return context
