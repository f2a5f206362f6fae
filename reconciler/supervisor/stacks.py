"""Where each thread of this process is."""

import faulthandler
import tempfile


def own_stacks() -> str:
    """Return the stacks of all threads as text."""
    with tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        return file.read().decode(errors="replace")
