import ctypes
import os
import struct
import sys

NAMES = {
    0x2: "IN_MODIFY",
    0x4: "IN_ATTRIB",
    0x8: "IN_CLOSE_WRITE",
    0x80: "IN_MOVED_TO",
    0x100: "IN_CREATE",
    0x400: "IN_DELETE_SELF",
}

libc = ctypes.CDLL(None)  # os has no inotify
fd = libc.inotify_init1(os.O_NONBLOCK)
libc.inotify_add_watch(fd, os.fsencode(sys.argv[1]), sum(NAMES))
os.system(sys.argv[2])
try:
    records = os.read(fd, 4096)
except BlockingIOError:
    records = b""
while records:
    _, mask, _, length = struct.unpack_from("iIII", records)
    name = records[16 : 16 + length].rstrip(b"\0").decode()
    print(*(text for bit, text in NAMES.items() if mask & bit), name)
    records = records[16 + length :]
