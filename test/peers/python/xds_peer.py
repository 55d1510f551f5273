"""A gRPC client and a gRPC server that are configured by xDS (grpcio), for the interop tests.

The same commands and answers as those of ../go: lines of JSON on stdin and stdout.
"""

import concurrent.futures
import json
import os
import sys
import threading
import time

import grpc
import grpc.experimental

output = threading.Lock()


def tell(message):
    with output:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def identity(message):
    return message


class Tally:
    def __init__(self):
        self.lock = threading.Lock()
        self.answers = {}
        self.errors = {}

    def count(self, counts, key):
        with self.lock:
            counts[key] = counts.get(key, 0) + 1

    def message(self, command):
        return {"id": command["id"], "answers": self.answers, "errors": self.errors}


class Client:
    """`call` makes `count` calls one after the other; `start` makes one every `pauseMs` until `stop`."""

    def __init__(self):
        self.channels = {}
        self.lock = threading.Lock()
        self.pool = concurrent.futures.ThreadPoolExecutor(32)
        self.is_stopped = threading.Event()
        self.repeating = None

    def channel(self, target):
        with self.lock:
            if target not in self.channels:
                self.channels[target] = self.open(target)
            return self.channels[target]

    def open(self, target):
        if os.environ.get("XDS_CREDENTIALS"):
            fallback = grpc.experimental.insecure_channel_credentials()
            return grpc.secure_channel(target, grpc.xds_channel_credentials(fallback))
        return grpc.insecure_channel(target)

    def call(self, command, tally):
        method = self.channel(command["target"]).unary_unary(
            command["method"], request_serializer=identity, response_deserializer=identity
        )
        metadata = tuple((command.get("metadata") or {}).items())
        try:
            answer = method(b"", timeout=command["deadlineMs"] / 1000, metadata=metadata)
            tally.count(tally.answers, answer.decode())
        except grpc.RpcError as error:
            tally.count(tally.errors, f"{error.code().value[0]} {error.details()}")

    def call_all(self, command):
        tally = Tally()
        try:
            for _ in range(command["count"]):
                self.call(command, tally)
        except Exception as error:  # A bug of this program: the test must see it.
            tally.count(tally.errors, repr(error))
        tell(tally.message(command))

    def repeat(self, command, tally):
        calls = []
        while not self.is_stopped.wait(command["pauseMs"] / 1000):
            calls.append(self.pool.submit(self.call, command, tally))
        concurrent.futures.wait(calls)

    def take(self, command):
        if command["op"] == "call":
            self.pool.submit(self.call_all, command)
        elif command["op"] == "start":
            self.is_stopped.clear()
            tally = Tally()
            thread = threading.Thread(target=self.repeat, args=(command, tally), daemon=True)
            self.repeating = (thread, tally)
            thread.start()
            tell(Tally().message(command))
        elif command["op"] == "stop":
            self.is_stopped.set()
            thread, tally = self.repeating
            thread.join()
            tell(tally.message(command))


def run_client():
    client = Client()
    for line in sys.stdin:
        client.take(json.loads(line))
    os._exit(0)


def run_server(address, name):
    answer = grpc.unary_unary_rpc_method_handler(lambda question, context: name.encode())
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), xds=True)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("test.Echo", {"Who": answer, "Secret": answer}),)
    )
    credentials = grpc.xds_server_credentials(grpc.insecure_server_credentials())
    server.add_secure_port(address, credentials)
    server.start()
    # C-core does not say when it has its listener: the first handshake that goes well does.
    tell({"address": address, "mode": "started", "error": ""})
    sys.stdin.read()
    server.stop(0)
    time.sleep(0.1)
    os._exit(0)


if sys.argv[1] == "client":
    run_client()
else:
    run_server(sys.argv[2], sys.argv[3])
