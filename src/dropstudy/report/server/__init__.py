"""A study's page, served on this machine and kept up to date while the study runs. Reads alone."""

from dropstudy.report.server.server import Doors, listen, server_of

__all__ = ["Doors", "listen", "server_of"]
