"""Self-supervised learning by hand. Start with `make lab`, or `python -m ssl_course lab`.

Nothing heavy is imported here: torch, matplotlib and ipywidgets come in with the modules that use them.
"""

__version__ = "0.2.0.dev0"
