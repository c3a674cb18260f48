"""A resolver that knows one address for every name below `test.example`, in front of load that wants many answers. What
is below `new.test.example` holds for no time, so that it is asked for anew."""
import socket
import struct

ORIGIN = socket.inet_aton("192.0.2.10")
TTL = 3600
NEW = b"\3new\4test\7example\0"

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 53))
while True:
    query, client = server.recvfrom(4096)
    end = 12
    while query[end]:
        end += query[end] + 1
    found = query[end + 1:end + 3] == b"\0\1"
    ttl = 0 if query[:end + 1].lower().endswith(NEW) else TTL
    answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, ttl, 4) + ORIGIN if found else b""
    # QR, RD, RA; one question, one answer or none (RFC 1035, section 4.1.1).
    head = struct.pack(">HHHHH", 0x8180, 1, int(found), 0, 0)
    server.sendto(query[:2] + head + query[12:end + 5] + answer, client)
