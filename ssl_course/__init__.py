"""Self-supervised learning by hand. Start with `ssl-course lab`, or `make lab` in a checkout.

Nothing heavy is imported here: torch, matplotlib and ipywidgets come in with the modules that use them.
"""

__version__ = "0.2.0.dev0"
