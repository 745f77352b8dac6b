"""The packages of an image, as bills of materials and licence lists tell of them."""
