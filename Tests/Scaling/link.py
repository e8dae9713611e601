"""What a cable between two hosts gives: the rate of one TCP stream and the time of a small round trip.

    python3 Tests/Scaling/link.py listen ADDRESS
    python3 Tests/Scaling/link.py measure ADDRESS

`measure` prints one JSON object: gigabits_per_second, round_trip_ms.
"""

import json
import socket
import statistics
import sys
import time

PORT = 7979
BLOCK = 1 << 20
ROUND_TRIPS = 200
SECONDS = 1.0


def listen(address):
    with socket.create_server((address, PORT)) as server:
        print("listening", flush=True)
        connection, _ = server.accept()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(ROUND_TRIPS):
            connection.sendall(connection.recv(1))
        total = 0
        start = time.monotonic()
        while block := connection.recv(BLOCK):
            total += len(block)
        # Timed here: what the sender's buffers still hold has not gone over the cable.
        connection.sendall(f"{8e-9 * total / (time.monotonic() - start)}\n".encode())


def measure(address):
    with socket.create_connection((address, PORT), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        trips = []
        for _ in range(ROUND_TRIPS):
            start = time.monotonic()
            connection.sendall(b"x")
            connection.recv(1)
            trips.append(time.monotonic() - start)
        block, end = bytes(BLOCK), time.monotonic() + SECONDS
        while time.monotonic() < end:
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)
        rate = float(connection.makefile().readline())
    print(json.dumps({"gigabits_per_second": rate, "round_trip_ms": 1000 * statistics.median(trips)}))


if __name__ == "__main__":
    {"listen": listen, "measure": measure}[sys.argv[1]](sys.argv[2])
