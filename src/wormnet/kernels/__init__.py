"""Faster spellings of `wormnet.models`, chosen by `dispatch`."""
