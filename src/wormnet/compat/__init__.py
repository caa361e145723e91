"""Other packages' names on top of wormnet: `wormnet.compat.ncps`."""
