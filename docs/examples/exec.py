import os

plain = os.open("/dev/null", os.O_RDONLY)
os.set_inheritable(plain, True)  # Python adds close-on-exec: PEP 446
secret = os.open("/dev/zero", os.O_RDONLY)
command = ["find", "/proc/self/fd", "-lname", "/dev/[nz]*", "-printf", "%l\n"]
os.execvp("find", command)
