"""The lock document and the resolvers that fill it."""
