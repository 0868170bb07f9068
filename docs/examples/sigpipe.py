import os
import signal
import sys

ignore = sys.argv[1:] == ["ignore"]
signal.signal(signal.SIGPIPE, signal.SIG_IGN if ignore else signal.SIG_DFL)
read_end, write_end = os.pipe()
os.close(read_end)  # the reader hangs up
try:
    os.write(write_end, b"hello")
except OSError as error:
    print(f"write(): {error.strerror}")
