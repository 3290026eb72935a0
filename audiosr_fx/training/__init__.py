"""Training of every stage: data, losses and one loop per stage."""
