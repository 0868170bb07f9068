import os
import resource
import signal

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # its default ends us: setrlimit(2), RLIMIT_FSIZE
fd = os.open("disk", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o640)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))  # a very small disk
for line in range(1, 6):
    text = f"line {line} of 5\n".encode()
    if line == 4:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))  # somebody makes room
    try:
        written, said = os.write(fd, text), "no error"
    except OSError as error:
        written, said = -1, str(error.strerror)
    print(f"{written} of {len(text)}: {said}")
