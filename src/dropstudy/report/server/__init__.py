"""Serve a study's page on this machine, up to date while the study runs. Read-only."""

from dropstudy.report.server.server import Addresses, listen, make_app, make_server

__all__ = ["Addresses", "listen", "make_app", "make_server"]
