"""Training for compression: quantisation-aware training of a field, rate control, and its optimizer."""
