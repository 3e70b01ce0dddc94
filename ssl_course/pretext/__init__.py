"""How one x becomes (X₁, X₂): batched, per sample, on the tensor's own device."""
