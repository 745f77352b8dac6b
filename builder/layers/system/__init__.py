"""What maintainer scripts would have made, made by hand."""
