"""The documents of `/bundle`: what they tell, how they are written, and how a project is laid out again by them."""
