"""The endpoints, a module a noun: each parses a request, calls one method of the service and serialises."""
