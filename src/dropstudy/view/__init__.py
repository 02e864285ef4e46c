"""A study's page, served on this machine and kept up to date while the study runs. Reads alone."""

from dropstudy.view.server import listen, server_of

__all__ = ["listen", "server_of"]
