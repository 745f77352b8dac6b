"""What is written down about a bundle: inside it what was known before, attached to it what names its digest."""
