"""How likely it is that somebody stays away."""
