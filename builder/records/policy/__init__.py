"""What a team asks of a bundle before it is taken: a document of rules, and what comes of each."""
