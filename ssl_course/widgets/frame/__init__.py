"""What every widget stands on: one canvas, one drawing, one loop of controls; nothing here is about SSL."""
