"""The gRPC peer in Python: `python_peer.py server PORT` or `python_peer.py client PORT CASE`.

Messages are plain bytes: no generated code, and the proxies do not look inside. The client ends with 0 when the case
holds, else with an assertion.
"""

import sys
import threading
from concurrent import futures

import grpc

SERVICE = "remora.interop.Bytes"
MIB = 1024 * 1024
UNLIMITED = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
]

given_up = threading.Event()


def echo_metadata(context):
    sent = dict(context.invocation_metadata())
    if "x-first" in sent:
        context.send_initial_metadata((("x-first", sent["x-first"]),))
    if "x-last-bin" in sent:
        context.set_trailing_metadata((("x-last-bin", sent["x-last-bin"]),))


def unary(request, context):
    echo_metadata(context)
    if request.startswith(b"abort "):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, request[6:].decode())
    if request == b"sleep":
        context.add_callback(given_up.set)
        given_up.wait(20)
    if request == b"was given up":
        return b"yes" if given_up.wait(10) else b"no"
    return request


def server_stream(request, context):
    for size in request.decode().split(","):
        yield b"s" * int(size)


def client_stream(requests, context):
    return str(sum(len(request) for request in requests)).encode()


def bidi(requests, context):
    for request in requests:
        yield request


def serve(port):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=UNLIMITED)
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
        "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
        "Bidi": grpc.stream_stream_rpc_method_handler(bidi),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    if server.add_insecure_port(f"127.0.0.1:{port}") == 0:
        sys.exit(f"port {port} is taken")
    server.start()
    server.wait_for_termination()


class Client:
    def __init__(self, port):
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=UNLIMITED)
        self.unary = channel.unary_unary(f"/{SERVICE}/Unary")
        self.server_stream = channel.unary_stream(f"/{SERVICE}/ServerStream")
        self.client_stream = channel.stream_unary(f"/{SERVICE}/ClientStream")
        self.bidi = channel.stream_stream(f"/{SERVICE}/Bidi")

    def case_unary(self):
        for size in (0, 1, 16_384, 4 * MIB):
            assert self.unary(b"u" * size, timeout=20) == b"u" * size

    def case_streams(self):
        sizes = [0, 5, 70_000, MIB]
        got = self.server_stream(",".join(map(str, sizes)).encode(), timeout=20)
        assert [len(message) for message in got] == sizes
        sent = (b"c" * size for size in sizes)
        assert self.client_stream(sent, timeout=20) == str(sum(sizes)).encode()
        sent = [bytes([i]) * 1000 * i for i in range(50)]
        assert list(self.bidi(iter(sent), timeout=20)) == sent

    def case_metadata(self):
        value = bytes(range(256))
        metadata = (("x-first", "text"), ("x-last-bin", value))
        answer, call = self.unary.with_call(b"m", timeout=20, metadata=metadata)
        assert answer == b"m"
        assert ("x-first", "text") in [tuple(entry) for entry in call.initial_metadata()]
        assert ("x-last-bin", value) in [tuple(entry) for entry in call.trailing_metadata()]

    def case_trailers_only(self):
        try:
            self.unary("abort nicht erf\u00fcllt".encode(), timeout=20)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
            assert error.details() == "nicht erf\u00fcllt", error
        else:
            raise AssertionError("the call did not fail")

    def case_deadline(self):
        try:
            self.unary(b"sleep", timeout=0.3)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
        else:
            raise AssertionError("the call did not fail")
        assert self.unary(b"was given up", timeout=20) == b"yes"

    def case_many(self):
        calls = [self.unary.future(str(i).encode(), timeout=30) for i in range(500)]
        assert [int(call.result()) for call in calls] == list(range(500))


def main():
    mode, port = sys.argv[1:3]
    if mode == "server":
        serve(port)
    else:
        getattr(Client(port), f"case_{sys.argv[3]}")()


main()
