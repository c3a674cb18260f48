"""What others feel of an attack: one agent's requests, alone and while another one attacks the gateway.

`benches/lab/run` does it at its end. The attacker is this same file, run in the load's namespace with a source
address and an agent of its own and the lowest priority: its own work must not pass for the gateway's."""
import os
import socket
import ssl
import struct
import subprocess
import sys
import time

import cases
import gateways
import office

ATTACKER = "10.77.0.66"
REQUESTS, SECONDS = 2000, 2
# What is shown, what the attacker is asked for, and how much of it.
ATTACKS = (
    ("slowloris, 1,000 hellos that are never finished", "slow", 1000),
    ("8,000 idle TLS connections asked for", "idle", 8000),
    ("TLS handshakes that are begun and dropped", "handshakes", 64),
    ("connections made and closed", "churn", 64),
    ("DNS queries without waiting for answers", "dns", 64),
)
AGENT = """\
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {{name: attacker, labels: {{tier: bench}}}}
spec: {{sources: {{addresses: ["{address}/32"]}}}}
"""
REFUSED = (ConnectionError, TimeoutError, ssl.SSLError, OSError)


def measure(lab, load):
    """Every attack on a fresh daemon: the rows of `report`. `lab` and `load` are those of the bench."""
    subprocess.run(["ip", "-n", lab.load, "addr", "add", f"{ATTACKER}/32", "dev", "eth0"], check=True)
    office.write(f"{lab.folder}/policies.d/attacker.yaml", AGENT.format(address=ATTACKER))
    rows = []
    way = gateways.Clawgress(lab)
    for name, kind, volume in (("nobody attacks", None, 0), *ATTACKS):
        try:
            way.start()
            lab.trusting([way.trust()])
            rows.append(one(load, way, (name, kind, volume)))
        except (cases.Failed, subprocess.SubprocessError, OSError, ValueError) as error:
            rows.append((name, "-", "-", "-", "-", "-", f"failed: {error}"[:120]))
        finally:
            way.stop()
    return rows


def report(rows):
    print("\nothers while one agent attacks (the attacker shares the load's core at the lowest priority)\n")
    table([("", "request p50", "p99", "new connection p50", "p99", "memory", "the attack"), *rows])


def one(load, way, attack):
    lab, (name, kind, volume) = load.lab, attack
    load.run("curl", "-sSf", "-o", "/dev/null", "--http1.1", "--cacert", load.trust, f"https://{office.NEAR}/small")
    attacker, told = None, ""
    if kind:
        inside = lab.inside(lab.load, lab.load_cpu, "nice", "-n", "19", sys.executable, os.path.abspath(__file__), kind, str(volume), way.address, way.host)
        attacker = subprocess.Popen(inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        attacker.stdout.readline()
    try:
        requests = load.own("latency", way, REQUESTS)
        fresh = load.own("connections", way, SECONDS, 1)
        memory = cases.resident(lab.daemon.pid) / 1024
    finally:
        if attacker:
            attacker.stdin.close()
            told = attacker.stdout.readline().strip()
            attacker.wait(30)
    cells = [f"{value:,.0f} us" for value in (requests["p50"], requests["p99"], fresh["p50"], fresh["p99"])]
    return (name, *cells, f"{memory:,.0f} MB", told)


def table(lines):
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    for line in lines:
        cells = [cell.ljust(width) if at in (0, 6) else cell.rjust(width) for at, (cell, width) in enumerate(zip(line, widths))]
        print("  ".join(cells).rstrip())


class Attacker:
    """One way to attack, until standard input ends."""

    def __init__(self, volume, address, name):
        self.volume, self.address, self.name = volume, address, name
        self.held, self.turns, self.refused = [], 0, 0
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["http/1.1"])
        self.context = context
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        hello = context.wrap_bio(incoming, outgoing, server_hostname=name)
        try:
            hello.do_handshake()
        except ssl.SSLWantReadError:
            pass
        self.hello = outgoing.read()

    def connect(self):
        stream = socket.create_connection((self.address, 443), timeout=5, source_address=(ATTACKER, 0))
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return stream

    def slow_one(self):
        stream = self.connect()
        stream.sendall(self.hello[:50])
        return [stream, 50]

    def slow(self):
        """A byte of each hello in every turn; whoever is ended comes again."""
        if not self.held:
            self.held = [self.slow_one() for _ in range(self.volume)]
        for one in self.held:
            try:
                at = 50 + one[1] % 100
                one[0].sendall(self.hello[at:at + 1])
                one[1] += 1
            except REFUSED:
                one[:] = self.slow_one()
                self.refused += 1
        time.sleep(0.5)

    def idle(self):
        """Made once, and then left alone."""
        while len(self.held) + self.refused < self.volume:
            try:
                self.held.append(self.context.wrap_socket(self.connect(), server_hostname=self.name))
            except REFUSED:
                self.refused += 1
        time.sleep(0.1)

    def handshakes(self):
        for _ in range(self.volume):
            stream = self.connect()
            stream.sendall(self.hello)
            self.held.append(stream)
        if len(self.held) > 8 * self.volume:
            for stream in self.held[:self.volume]:
                stream.close()
            del self.held[:self.volume]

    def churn(self):
        for _ in range(self.volume):
            self.connect().close()

    def dns(self):
        if not self.held:
            self.held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]
            self.held[0].bind((ATTACKER, 0))
        for turn in range(self.volume):
            label = b"n%06d" % ((self.turns * self.volume + turn) % 1_000_000)
            query = struct.pack(">6H", turn, 256, 1, 0, 0, 0) + bytes([len(label)]) + label + b"\4test\7example\0\0\1\0\1"
            self.held[0].sendto(query, (self.address, 53))


def attack(kind, volume, address, name):
    import resource
    import select
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    attacker = Attacker(volume, address, name)
    begun, ready = time.monotonic(), False
    while not select.select([sys.stdin], [], [], 0)[0]:
        try:
            getattr(attacker, kind)()
            attacker.turns += 1
        except REFUSED:
            attacker.refused += 1
        if not ready:
            ready = print("ready", flush=True) is None
    took = time.monotonic() - begun
    if kind in ("slow", "idle"):
        print(f"{len(attacker.held):,} held, {attacker.refused:,} ended or turned away")
    else:
        print(f"{attacker.turns * volume / took:,.0f}/s, {attacker.refused:,} failed")
    sys.stdout.flush()


if __name__ == "__main__":
    attack(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
