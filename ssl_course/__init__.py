"""Self-supervised learning by hand. Start with `ssl-course lab`, or `make lab` in a checkout.

Nothing heavy is imported here: torch, matplotlib and ipywidgets come in with the modules that use them.
"""

import os

# Threads that have nothing to do sleep. By default they spin, and on cores that are shared (a hub, a laptop
# that is busy) they take the time of those that work. The OpenMP of torch reads it when torch is loaded, so
# it stands in what is imported first. What is set already stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.2.0.dev0"
