# A client of grpcio for examples/grpc-php: one line for each kind of call, and for what fails.
import sys
import threading

import grpc


def number(n):  # sint64 value = 1
    return b"\x08" + bytes([2 * n])


def value(message):
    return message[1] // 2 if message else 0


channel = grpc.insecure_channel(sys.argv[1])


def call(kind, method, encode=number):
    make = getattr(channel, kind)
    return make("/workerhost.sums.v1.Sums/" + method, request_serializer=encode, response_deserializer=value)


def division(pair):
    return b"\x08" + bytes([2 * pair[0]]) + b"\x10" + bytes([2 * pair[1]])


divide = call("unary_unary", "Divide", division)
print("one", divide((42, 1), timeout=60))
print("down", list(call("unary_stream", "Count")(3, timeout=60)))
print("up", call("stream_unary", "Add")(iter([1, 2, 3]), timeout=60))

answered = threading.Semaphore(1)


def in_turn():  # each once the one before is answered
    for n in (1, 2, 3):
        answered.acquire()
        yield n


totals = []
for total in call("stream_stream", "Total")(in_turn(), timeout=60):
    totals.append(total)
    answered.release()
print("both", totals)

try:
    divide((42, 0), timeout=60)
except grpc.RpcError as e:
    print("refused", e.code().name, e.details())
try:
    call("unary_unary", "No")(1, timeout=60)
except grpc.RpcError as e:
    print("unknown", e.code().name)


def silent():
    threading.Event().wait(5)
    yield 1


try:
    call("stream_unary", "Add")(silent(), timeout=0.2)
except grpc.RpcError as e:
    print("late", e.code().name)
