"""Write the C source of one cffi API-mode module.

Usage: cffi_module.py MODULE OUTPUT HEADER[,HEADER...] CDEF...
The headers are included as written; the CDEF files are concatenated in order.
"""

import sys
from pathlib import Path

from cffi import FFI


def main(module: str, output: str, headers: str, *cdefs: str) -> None:
    ffi = FFI()
    ffi.cdef("\n".join(Path(name).read_text() for name in cdefs))
    ffi.set_source(module, "\n".join(f'#include "{name}"' for name in headers.split(",")))
    ffi.emit_c_code(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
