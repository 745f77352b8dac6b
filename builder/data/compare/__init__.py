"""What differs: between two contracts, and between two tables."""
