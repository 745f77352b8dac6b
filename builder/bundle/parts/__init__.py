"""What a project puts into its image: which files, from where, and the layers that they become."""
