"""A second reader of famfs superblocks and logs, for comparison with the driver's own.

Written from the description of the format alone, in another language, and as plainly as possible: what this and the
driver read differently, one of them reads wrong. Reads cases from standard input, each a superblock and a log with a
32-bit length before either; answers one JSON line for each. Every number is text, as JSON readers round large ones.
"""

import json
import struct
import sys
import zlib

LOG_AT = 0x200000


class Refused(Exception):
    """`where` is "superblock", "header", or the number of an entry."""

    def __init__(self, where):
        super().__init__(where)
        self.where = where


def demand(where, holds):
    if not holds:
        raise Refused(where)


def crc_holds(data, covered, at):
    return struct.unpack_from("<Q", data, at)[0] == zlib.crc32(data[:covered])


def read_superblock(data):
    demand("superblock", len(data) >= 200)
    magic, version, log_at, log_length, unit = struct.unpack_from("<5Q", data, 0)
    major = struct.unpack_from("<I", data, 40)[0]
    size = struct.unpack_from("<Q", data, 112)[0]
    demand("superblock", magic == 0x87B282FF and version == 48 and crc_holds(data, 96, 96))
    demand("superblock", unit in (4096, 0x200000) and major == 2 and log_at == LOG_AT)
    demand("superblock", log_length >= 48 + 544 and LOG_AT + log_length <= size)
    demand("superblock", -(-size // unit) <= 2**28)
    return {"uuid": data[48:64].hex(), "log_length": log_length, "unit": unit, "size": size}


def read_header(data, pool):
    demand("header", len(data) >= 48)
    magic, log_length, last = struct.unpack_from("<3Q", data, 0)
    sequence, count = struct.unpack_from("<2Q", data, 32)
    capacity = (pool["log_length"] - 48) // 544
    demand("header", magic == 0xBADCAFEF00D and crc_holds(data, 24, 24))
    demand("header", log_length == pool["log_length"] and last == capacity - 1)
    demand("header", count <= capacity and sequence == count)
    return count


def read_path(number, buffer):
    demand(number, 0 in buffer)
    raw = buffer[: buffer.index(0)]
    try:
        path = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(number) from None
    demand(number, 1 <= len(raw) <= 78)
    demand(number, all(byte >= 0x20 and byte != 0x7F for byte in raw))
    parts = path.split("/")
    demand(number, all(part not in ("", ".", "..") for part in parts) and parts[0] != ".meta")
    return path


def read_extents(number, data, at, count):
    extents = []
    for i in range(count):
        device, offset, length = struct.unpack_from("<3Q", data, at + 24 * i)
        demand(number, device == 0)
        extents.append((offset, length))
    return extents


def read_entry(number, data):
    demand(number, len(data) == 544)
    demand(number, crc_holds(data, 536, 536))
    sequence, kind = struct.unpack_from("<QI", data, 0)
    demand(number, sequence == number and kind in (0, 1))
    if kind == 1:
        uid, gid, mode = struct.unpack_from("<3I", data, 16)
        return {"type": "dir", "path": read_path(number, data[28:108]), "mode": mode, "uid": uid, "gid": gid}
    size, _flags, uid, gid, mode = struct.unpack_from("<Q4I", data, 16)
    entry = {"type": "file", "path": read_path(number, data[40:120]), "mode": mode, "uid": uid, "gid": gid}
    entry["size"] = size
    extent_type, extent_count = struct.unpack_from("<I4xI", data, 120)
    demand(number, extent_type in (0, 1))
    if extent_type == 0:
        demand(number, 1 <= extent_count <= 16)
        entry["extents"] = read_extents(number, data, 136, extent_count)
    else:
        strips, entry["chunk"] = struct.unpack_from("<2Q", data, 136)
        demand(number, extent_count == 1 and 1 <= strips <= 16)
        entry["extents"] = read_extents(number, data, 152, strips)
    return entry


def judge_file(number, entry, pool, taken):
    unit = pool["unit"]
    extents = entry["extents"]
    demand(number, 0 < entry["size"] <= sum(length for _, length in extents))
    for offset, length in extents:
        demand(number, length > 0 and offset % unit == 0 and length % unit == 0)
        demand(number, offset + length <= pool["size"])
        demand(number, all(offset + length <= start or end <= offset for start, end in taken))
        taken.append((offset, offset + length))
    if "chunk" in entry:
        chunk = entry["chunk"]
        demand(number, chunk > 0 and chunk & (chunk - 1) == 0 and chunk % unit == 0)
        # How far each strip is used, chunk after chunk.
        used = [0] * len(extents)
        for c in range(-(-entry["size"] // chunk)):
            used[c % len(extents)] += min(chunk, entry["size"] - c * chunk)
        demand(number, all(length >= need for (_, length), need in zip(extents, used)))


def read_pool(superblock, log):
    pool = read_superblock(superblock)
    count = read_header(log, pool)
    unit = pool["unit"]
    reserved = -(-(LOG_AT + pool["log_length"]) // unit) * unit
    taken = [(0, reserved)]
    kinds = {"": "dir"}
    entries = []
    for number in range(count):
        entry = read_entry(number, log[48 + 544 * number : 48 + 544 * (number + 1)])
        path = entry["path"]
        demand(number, entry["mode"] <= 0o7777 and path not in kinds)
        demand(number, kinds.get(path.rpartition("/")[0]) == "dir")
        if entry["type"] == "file":
            judge_file(number, entry, pool, taken)
        kinds[path] = entry["type"]
        entries.append(entry)
    end = -(-pool["size"] // unit) * unit
    taken.sort()
    starts = [start for start, _ in taken[1:]] + [end]
    free = [start - stop for start, (_, stop) in zip(starts, taken)]
    return {"uuid": pool["uuid"], "entries": entries, "free": sum(free), "longest": max(free)}


def as_text(value):
    """The same with every number as text."""
    if isinstance(value, dict):
        return {key: as_text(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_text(each) for each in value]
    return str(value)


def cases(data):
    at = 0
    while at < len(data):
        pair = []
        for _ in range(2):
            length = struct.unpack_from("<I", data, at)[0]
            pair.append(data[at + 4 : at + 4 + length])
            at += 4 + length
        yield pair


for superblock, log in cases(sys.stdin.buffer.read()):
    try:
        answer = read_pool(superblock, log)
    except Refused as refused:
        answer = {"refused": refused.where}
    print(json.dumps(as_text(answer), sort_keys=True))
