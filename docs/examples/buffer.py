import os

print("starting, ", end="")
child = os.fork()
if child == 0:
    print("says the child")
else:
    os.waitpid(child, 0)
    print("says the parent")
