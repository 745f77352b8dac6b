"""What was made from what: data, stages, runs, models, bundles and images, forwards and backwards."""
