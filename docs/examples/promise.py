import os
import sys

read_end, write_end = os.pipe()
if os.fork() == 0:
    if sys.argv[1] == "ready":
        os.write(write_end, b"ready")
    os._exit(0)  # its write end closes here
if sys.argv[1] != "forget":
    os.close(write_end)
word = os.read(read_end, 16)
if word:
    print("heard:", word.decode())
else:
    print("end of file: it ended without a word")
sys.exit(not word)
