"""`python -m wormnet` is the program `wormnet`."""

from wormnet.cli import main

if __name__ == "__main__":
    main()
