"""Run the /primecheck application: `python -m swarm_ext.primecheck --help`."""

import sys

from swarm_ext.primecheck import main

sys.exit(main())
