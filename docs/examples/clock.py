import itertools
import time

for n in itertools.count(1):
    print("tick", n, flush=True)
    time.sleep(1)
