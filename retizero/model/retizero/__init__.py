"""RetiZero (Nature Communications 16:5528, 2025) rebuilt: towers, LoRA, folder layout, starting points."""
