#!/bin/sh
# A fork bomb in shell that ends by itself: 2^11 processes at most, each of them for 5 s.
bomb() {
    if [ "$1" -gt 0 ]; then
        bomb $(($1 - 1)) | bomb $(($1 - 1)) &
    fi
    exec sleep 5
}
bomb 10
