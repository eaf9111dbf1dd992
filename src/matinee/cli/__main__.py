"""`python -m matinee.cli` is the command `matinee`."""

import sys

from matinee.cli.main import main

sys.exit(main())
