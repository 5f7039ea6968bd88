"""Bytes of a shared object go in; what it exports, imports and asks the loader for comes out. Runs nothing of it.

ELF-64, little-endian. Only what the dynamic loader itself will use is believed: section headers must agree with the
dynamic segment, or the file is refused.

    ValueError
      ElfError    not such a file, or it contradicts itself
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = ["Elf", "ElfError", "read_elf"]

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM = struct.Struct("<IIQQQQQQ")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
DYNAMIC = struct.Struct("<qQ")
IDENT = b"\x7fELF\x02\x01\x01"
TYPE_SHARED = 3
PT_LOAD, PT_DYNAMIC, PT_GNU_STACK = 1, 2, 0x6474E551
PF_EXECUTE, PF_WRITE = 1, 2
SHT_DYNSYM, SHT_STRTAB = 11, 3
DT_NEEDED, DT_STRTAB, DT_SYMTAB, DT_TEXTREL = 1, 5, 6, 22
ENTRIES_MAX = 65_536
BIND_WEAK = 2


class ElfError(ValueError):
    """The file cannot be what it should be."""


@dataclass(frozen=True, kw_only=True)
class Elf:
    """``imports`` are the symbols that the loader must find elsewhere; ``weak`` those of them it may miss."""

    exports: frozenset[str]
    imports: frozenset[str]
    weak: frozenset[str]
    libraries: tuple[str, ...]
    executable_stack: bool
    writable_code: bool


def _piece(data: bytes, offset: int, size: int, what: str) -> bytes:
    if offset < 0 or size < 0 or offset + size > len(data):
        raise ElfError(f"{what} lies outside of the file")
    return data[offset : offset + size]


def _rows(data: bytes, layout: struct.Struct, offset: int, count: int, what: str) -> list[tuple[int, ...]]:
    if count > ENTRIES_MAX:
        raise ElfError(f"{what}: {count} entries")
    return list(layout.iter_unpack(_piece(data, offset, layout.size * count, what)))


def _string(table: bytes, offset: int) -> str:
    end = table.find(b"\0", offset)
    if offset >= len(table) or end < 0:
        raise ElfError("a name lies outside of its table")
    return table[offset:end].decode("latin-1")


def read_elf(data: bytes) -> Elf:
    """ElfError for anything but a 64-bit little-endian shared object that agrees with itself."""
    if len(data) < HEADER.size or not data.startswith(IDENT):
        raise ElfError("not a 64-bit little-endian ELF file")
    header = HEADER.unpack_from(data)
    kind, program_offset, section_offset = header[1], header[5], header[6]
    program_size, program_count, section_size, section_count = header[9:13]
    if kind != TYPE_SHARED:
        raise ElfError("not a shared object")
    if program_size != PROGRAM.size or section_size != SECTION.size:
        raise ElfError("headers of an unknown size")
    programs = _rows(data, PROGRAM, program_offset, program_count, "program headers")
    sections = _rows(data, SECTION, section_offset, section_count, "section headers")
    dynamic = _dynamic(data, programs)
    tables = [row for row in sections if row[1] == SHT_DYNSYM]
    if len(tables) != 1 or dynamic.get(DT_SYMTAB) != [tables[0][3]]:
        raise ElfError("its dynamic symbols cannot be found")
    symbols, link = tables[0], tables[0][6]
    if link >= len(sections) or sections[link][1] != SHT_STRTAB:
        raise ElfError("its dynamic symbols have no names")
    if dynamic.get(DT_STRTAB) != [sections[link][3]]:
        raise ElfError("section headers and dynamic segment name different tables")
    names = _piece(data, sections[link][4], sections[link][5], "symbol names")
    exports, imports, weak = _symbols(data, symbols, names)
    stacks = [row for row in programs if row[0] == PT_GNU_STACK]
    return Elf(
        exports=exports,
        imports=imports,
        weak=weak,
        libraries=tuple(_string(names, offset) for offset in dynamic.get(DT_NEEDED, [])),
        executable_stack=not stacks or any(row[1] & PF_EXECUTE for row in stacks),
        writable_code=DT_TEXTREL in dynamic
        or any(
            row[0] == PT_LOAD and row[1] & (PF_EXECUTE | PF_WRITE) == PF_EXECUTE | PF_WRITE
            for row in programs
        ),
    )


def _dynamic(data: bytes, programs: list[tuple[int, ...]]) -> dict[int, list[int]]:
    segments = [row for row in programs if row[0] == PT_DYNAMIC]
    if len(segments) != 1:
        raise ElfError("no dynamic segment")
    offset, size = segments[0][2], segments[0][5]
    found: dict[int, list[int]] = {}
    for tag, value in _rows(data, DYNAMIC, offset, size // DYNAMIC.size, "dynamic segment"):
        if tag == 0:
            break
        found.setdefault(tag, []).append(value)
    return found


def _symbols(
    data: bytes, section: tuple[int, ...], names: bytes
) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    exports, imports, weak = set(), set(), set()
    rows = _rows(data, SYMBOL, section[4], section[5] // SYMBOL.size, "dynamic symbols")
    for name, info, _other, where, _value, _size in rows[1:]:
        text = _string(names, name)
        if where:
            exports.add(text)
        else:
            imports.add(text)
            if info >> 4 == BIND_WEAK:
                weak.add(text)
    return frozenset(exports), frozenset(imports), frozenset(weak)
