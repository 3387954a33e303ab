"""Endpoints, one module per noun: parse the request, call the service, serialise the response."""
