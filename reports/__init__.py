"""What came out of a run: data frames, charts, elasticity figures and one self-contained page."""
