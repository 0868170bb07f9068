import os
import signal
import socket


def try_listen(address: tuple[str, int]) -> socket.socket:
    server = socket.socket()
    try:
        server.bind(address)
        server.listen(1)
        print("listening", flush=True)
    except OSError as error:
        print(f"bind(): {error.strerror}", flush=True)
    return server


server = try_listen(("127.0.0.1", 0))
address, fd = server.getsockname(), server.fileno()
server.set_inheritable(True)  # as it is in C, unless one says otherwise
child = os.fork()
if child == 0:
    os.execlp("sleep", "sleep", "1000")
server.close()  # the server ends, and wants to start again
try_listen(address).close()
os.system(f"readlink /proc/{child}/fd/{fd}")
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
try_listen(address).close()
