"""Small network questions that POSIX sh cannot ask, for cloud.sh.

cloud_ports.py pick NAME...   print NAME=PORT for free loopback ports
cloud_ports.py free PORT...   exit 0 when nothing listens on any of them
cloud_ports.py answers URL    exit 0 when an HTTP server answers there
"""

import contextlib
import socket
import sys
import urllib.error
import urllib.request


def bind(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


def pick(names):
    with contextlib.ExitStack() as held:
        for name in names:
            listener = held.enter_context(bind(0))
            print(f"{name}={listener.getsockname()[1]}")


def free(ports):
    with contextlib.ExitStack() as held:
        for port in ports:
            try:
                held.enter_context(bind(int(port)))
            except OSError:
                sys.exit(1)


def answers(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(url, timeout=5).close()
    except urllib.error.HTTPError as answer:
        # Glance lists its versions with status 300.
        sys.exit(answer.code >= 500)
    except OSError:
        sys.exit(1)


if __name__ == "__main__":
    verb, arguments = sys.argv[1], sys.argv[2:]
    if verb == "pick":
        pick(arguments)
    elif verb == "free":
        free(arguments)
    else:
        answers(arguments[0])
