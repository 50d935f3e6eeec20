"""How well the fraud rules detect labelled attacks."""
