"""`python -m striate` is the same as `striate`; PyTorch's launcher needs it: `torchrun -m striate train ...`."""

import sys

from striate.cli import main

if __name__ == "__main__":
    sys.exit(main())
