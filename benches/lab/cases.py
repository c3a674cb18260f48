"""What is measured: each case asks by one way (gateways.py) and returns its value and operations."""
import contextlib
import json
import os
import re
import subprocess
import time

import office

TICK = os.sysconf("SC_CLK_TCK")
CONNECTIONS, STREAMS, NEW, HELD = 64, 10, 16, 2000
LATENCIES, TRANSFERS = 10_000, 2


class Failed(Exception):
    """A case gave no figure; the text says why."""


class Load:
    """Load of every kind, from the load's namespace and core."""

    def __init__(self, lab, tool, seconds):
        self.lab, self.tool, self.seconds = lab, tool, seconds
        self.trust = f"{lab.folder}/trust.pem"

    def run(self, *command):
        inside = self.lab.inside(self.lab.load, self.lab.load_cpu, *command)
        try:
            ended = subprocess.run(inside, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"{command[0]} took more than 60 s") from error
        if ended.returncode:
            raise Failed(f"{os.path.basename(command[0])}: {(ended.stderr or ended.stdout).strip()[-200:]}")
        return ended.stdout

    def own(self, what, way, *arguments):
        if what == "dns":
            arguments = (f"{way.address}:53", *arguments)
        else:
            arguments = (f"{way.address}:443", way.host, self.trust, "/small", *arguments)
        told = json.loads(self.run(self.tool, what, *(str(argument) for argument in arguments)))
        if told["failed"] or not told["count"]:
            raise Failed(f"{what}: {told['failed']} failed, {told['count']} did not")
        return told

    def latency(self, way):
        told = self.own("latency", way, LATENCIES)
        return {"value": told["p50"], **{what: told[what] for what in ("p50", "p99", "p999")}, "ops": told["count"]}

    def latency_shared(self, way):
        """The gateway on the core of load and origin: no wake-up crosses cores, so this is the work itself."""
        with moved(way, [self.lab.load_cpu], [self.lab.gateway_cpu]):
            return self.latency(way)

    def http1(self, way):
        told = self.run("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{self.seconds}s", "--timeout", "5s", f"https://{way.host}/small")
        done, rate = re.search(r"(\d+) requests in", told), re.search(r"Requests/sec:\s+([\d.]+)", told)
        if not done or not rate or "Non-2xx" in told or "Socket errors" in told:
            raise Failed("wrk: " + told.strip()[-200:])
        return {"value": float(rate[1]), "ops": int(done[1])}

    def http1_two(self, way):
        """A daemon with a worker on each of the two cores, beside load and origin: what one request costs then."""
        way.stop()
        self.lab.start_daemon([self.lab.gateway_cpu, self.lab.load_cpu])
        self.lab.trusting([way.trust()])
        before = cpu_of(self.lab.daemon.pid)
        told = self.http1(way)
        told["cpu"] = cpu_of(self.lab.daemon.pid) - before
        return told

    def http2(self, way):
        told = self.run("h2load", "-t1", "-c16", f"-m{STREAMS}", f"-D{self.seconds}", f"https://{way.host}/small")
        done = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", told)
        if "Application protocol: h2" not in told or not done or int(done[2]) or int(done[3]) or not int(done[1]):
            raise Failed("h2load: " + told.strip()[-200:])
        return {"value": int(done[1]) / self.seconds, "ops": int(done[1])}

    def connections(self, way):
        told = self.own("connections", way, self.seconds, NEW)
        return {"value": told["rate"], "ops": told["count"]}

    def dns(self, way):
        """One name: but for the first time the gateway answers from its cache."""
        return self.queries(way, office.NEAR)

    def dns_new(self, way):
        """Names whose answers hold for no time, one for each thread: the gateway asks the resolver behind it every time."""
        return self.queries(way, office.OWN)

    def queries(self, way, name):
        told = self.own("dns", way, name, self.seconds, NEW)
        return {"value": told["rate"], "ops": told["count"]}

    def bulk(self, way):
        return self.curl(f"https://{way.host}/bulk")

    def bulk_through(self, way):
        return self.curl(f"https://{way.through}/bulk")

    def curl(self, what):
        """In megabytes a second; an operation is one gigabyte."""
        transfers = ["-o", "/dev/null", what] * TRANSFERS
        told = self.run("curl", "-sSf", "--http1.1", "--cacert", self.trust, "-w", "%{size_download} %{time_total}\n", *transfers)
        parts = [line.split() for line in told.splitlines()]
        size = sum(int(part[0]) for part in parts)
        return {"value": size / sum(float(part[1]) for part in parts) / 1e6, "ops": size / 1e9}


@contextlib.contextmanager
def moved(way, there, back):
    """All threads of a way's processes on other cores for a while."""
    def pin(cpus):
        for pid in tree(way):
            for thread in os.listdir(f"/proc/{pid}/task"):
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(int(thread), cpus)
    pin(there)
    try:
        yield
    finally:
        pin(back)


# Name, unit of the value, what an operation is called, the case. The last one replaces the daemon, so it stays last.
CASES = (
    ("latency, one core for all", "us", "request", "latency_shared"),
    ("latency, gateway on its own core", "us", "request", "latency"),
    (f"HTTP/1.1 requests, {CONNECTIONS} connections", "/s", "request", "http1"),
    (f"HTTP/2 requests, 16 x {STREAMS} streams", "/s", "request", "http2"),
    ("new TLS connections", "/s", "connection", "connections"),
    ("100 MB over HTTPS, opened", "MB/s", "GB", "bulk"),
    ("100 MB over HTTPS, passed through", "MB/s", "GB", "bulk_through"),
    ("DNS queries, from the cache", "/s", "query", "dns"),
    ("DNS queries, each forwarded", "/s", "query", "dns_new"),
    ("HTTP/1.1 requests, two workers", "/s", "request", "http1_two"),
)


def memory(lab, load, way):
    """MB of a fresh gateway that has served one request, and KiB that each idle connection adds."""
    load.run("curl", "-sSf", "-o", "/dev/null", "--http1.1", "--cacert", load.trust, f"https://{way.host}/small")
    time.sleep(0.3)
    before = sum(resident(pid) for pid in tree(way))
    command = lab.inside(lab.load, lab.load_cpu, load.tool, "hold", f"{way.address}:443", way.host, load.trust, "/small", str(HELD))
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        held = json.loads(holder.stdout.readline() or '{"count": 0}')["count"]
        # Buffers are given back when the last exchange is over.
        time.sleep(0.5)
        after = sum(resident(pid) for pid in tree(way))
    finally:
        holder.stdin.close()
        holder.wait(20)
    if held < HELD:
        raise Failed(f"only {held} of {HELD} connections were held")
    return {"idle": before / 1024, "each": (after - before) / held}


def tree(way):
    """The processes of a way, with all that they started."""
    found, waiting = [], list(way.processes())
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children(pid)
    return found


def children(pid):
    found = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children", encoding="utf-8") as file:
            found += [int(child) for child in file.read().split()]
    return found


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        found = re.search(r"VmRSS:\s+(\d+)", file.read())
    # A process that has just ended holds nothing.
    return int(found[1]) if found else 0


def cpu_of(pid):
    """Seconds of a process and of those it has waited for."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return sum(int(field) for field in file.read().rsplit(")", 1)[1].split()[11:15]) / TICK


def cpu_of_tree(pid):
    return cpu_of(pid) + sum(cpu_of_tree(child) for child in children(pid))


def busy():
    """Seconds that the cores of this machine worked, but for kernel threads, which serve everybody."""
    with open("/proc/stat", encoding="utf-8") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    kernel = 0
    for process in os.listdir("/proc"):
        try:
            with open(f"/proc/{int(process)}/stat", encoding="utf-8") as file:
                fields_of = file.read().rsplit(")", 1)[1].split()
        except (ValueError, OSError):
            continue
        kernel += int(fields_of[11]) + int(fields_of[12]) if fields_of[1] == "2" else 0
    return (sum(fields) - fields[3] - fields[4] - fields[7] - kernel) / TICK


def measure(lab, load, case, way):
    """One run: the case's own figures, and what the gateway and strangers used meanwhile."""
    way.switch(case)
    processes = way.processes()
    before = (sum(map(cpu_of_tree, processes)), lab_cpu(lab), busy(), time.monotonic())
    found = getattr(load, case)(way)
    took = time.monotonic() - before[3]
    found.setdefault("cpu", sum(map(cpu_of_tree, processes)) - before[0] if processes == way.processes() else 0.0)
    strangers = busy() - before[2] - (lab_cpu(lab) - before[1])
    found.update(took=took, strangers=max(0.0, strangers / took))
    if processes and found["cpu"] == 0 and took > 0.3:
        raise Failed("the gateway used no CPU: the traffic went past it")
    return found


def lab_cpu(lab):
    """Everything that belongs to this bench: daemon, origin, resolver, and load that has ended."""
    times = os.times()
    alive = sum(cpu_of_tree(process.pid) for process in lab.running if process.poll() is None)
    return alive + times.user + times.system + times.children_user + times.children_system
