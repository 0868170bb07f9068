import os

fd = os.open("precious", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
os.write(fd, b"precious data\n")
os.write(2, f"the file is descriptor {fd}\n".encode())
os.write(1, b"just a message\n")
