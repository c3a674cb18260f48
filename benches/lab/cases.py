"""What is measured: each case asks one way (through the gateway, or past it) and returns its value and operations."""
import json
import os
import re
import subprocess
import time

import office

TICK = os.sysconf("SC_CLK_TCK")
CONNECTIONS, STREAMS, NEW, HELD = 64, 10, 16, 2000
LATENCIES, TRANSFERS = 3000, 2


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

    def own(self, what, gateway, *arguments):
        address, name = (office.ORIGIN, office.NEAR) if gateway else (office.ORIGIN_PLAIN, office.PLAIN)
        if what == "dns":
            arguments = (f"{address}:53", office.NEAR, *arguments)
        else:
            arguments = (f"{address}:443", name, self.trust, "/small", *arguments)
        told = json.loads(self.run(self.tool, what, *(str(argument) for argument in arguments)))
        if told["failed"] or not told["count"]:
            raise Failed(f"{what}: {told['failed']} failed, {told['count']} did not")
        return told

    def latency(self, gateway):
        told = self.own("latency", gateway, LATENCIES)
        return {"value": told["p50"], "p99": told["p99"], "ops": told["count"]}

    def latency_shared(self, gateway):
        """The gateway on the core of load and origin: no wake-up crosses cores, so this is the work itself."""
        if not gateway:
            return self.latency(gateway)
        threads = [int(thread) for thread in os.listdir(f"/proc/{self.lab.daemon.pid}/task")]
        try:
            for thread in threads:
                os.sched_setaffinity(thread, {self.lab.load_cpu})
            return self.latency(gateway)
        finally:
            for thread in threads:
                os.sched_setaffinity(thread, {self.lab.gateway_cpu})

    def http1(self, gateway):
        told = self.run("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{self.seconds}s", "--timeout", "5s", url(gateway, "small"))
        done, rate = re.search(r"(\d+) requests in", told), re.search(r"Requests/sec:\s+([\d.]+)", told)
        if not done or not rate or "Non-2xx" in told or "Socket errors" in told:
            raise Failed("wrk: " + told.strip()[-200:])
        return {"value": float(rate[1]), "ops": int(done[1])}

    def http2(self, gateway):
        told = self.run("h2load", "-t1", "-c16", f"-m{STREAMS}", f"-D{self.seconds}", url(gateway, "small"))
        done = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", told)
        if "Application protocol: h2" not in told or not done or int(done[2]) or int(done[3]) or not int(done[1]):
            raise Failed("h2load: " + told.strip()[-200:])
        return {"value": int(done[1]) / self.seconds, "ops": int(done[1])}

    def connections(self, gateway):
        told = self.own("connections", gateway, self.seconds, NEW)
        return {"value": told["rate"], "ops": told["count"]}

    def dns(self, gateway):
        told = self.own("dns", gateway, self.seconds, NEW)
        return {"value": told["rate"], "ops": told["count"]}

    def bulk(self, gateway):
        return self.curl(url(gateway, "bulk"))

    def bulk_through(self, gateway):
        return self.curl(f"https://{office.THROUGH}/bulk" if gateway else url(False, "bulk"))

    def curl(self, what):
        """In megabytes a second; an operation is one gigabyte."""
        transfers = ["-o", "/dev/null", what] * TRANSFERS
        told = self.run("curl", "-sSf", "--http1.1", "--cacert", self.trust, "-w", "%{size_download} %{time_total}\n", *transfers)
        parts = [line.split() for line in told.splitlines()]
        size = sum(int(part[0]) for part in parts)
        return {"value": size / sum(float(part[1]) for part in parts) / 1e6, "ops": size / 1e9}


def url(gateway, path):
    return f"https://{office.NEAR if gateway else office.PLAIN}/{path}"


# Name, unit of the value, what an operation is called, the case.
CASES = (
    ("latency p50, gateway on its own core", "us", "request", "latency"),
    ("latency p50, one core for all", "us", "request", "latency_shared"),
    (f"HTTP/1.1 requests, {CONNECTIONS} connections", "/s", "request", "http1"),
    (f"HTTP/2 requests, 16 x {STREAMS} streams", "/s", "request", "http2"),
    ("new TLS connections", "/s", "connection", "connections"),
    ("100 MB over HTTPS, opened", "MB/s", "GB", "bulk"),
    ("100 MB over HTTPS, passed through", "MB/s", "GB", "bulk_through"),
    ("DNS queries", "/s", "query", "dns"),
)


def memory(lab, load):
    """MB of a fresh gateway that has served one request, and KiB that each idle connection adds."""
    load.run("curl", "-sSf", "-o", "/dev/null", "--http1.1", "--cacert", load.trust, url(True, "small"))
    time.sleep(0.3)
    before = resident(lab.daemon.pid)
    command = lab.inside(lab.load, lab.load_cpu, load.tool, "hold", f"{office.ORIGIN}:443", office.NEAR, load.trust, "/small", str(HELD))
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        held = json.loads(holder.stdout.readline() or '{"count": 0}')["count"]
        # Buffers are given back when the last exchange is over.
        time.sleep(0.5)
        after = resident(lab.daemon.pid)
    finally:
        holder.stdin.close()
        holder.wait(20)
    if held < HELD:
        raise Failed(f"only {held} of {HELD} connections were held")
    return {"idle": before / 1024, "each": (after - before) / held}


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])


def cpu_of(pid):
    """Seconds of a process and of those it has waited for."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return sum(int(field) for field in file.read().rsplit(")", 1)[1].split()[11:15]) / TICK


def cpu_of_tree(pid):
    children = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children", encoding="utf-8") as file:
            children += file.read().split()
    return cpu_of(pid) + sum(cpu_of_tree(int(child)) for child in children)


def cpu_of_thread(pid, name):
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/stat", encoding="utf-8") as file:
            text = file.read()
        if f"({name})" in text:
            return sum(int(field) for field in text.rsplit(")", 1)[1].split()[11:13]) / TICK
    return 0.0


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


def measure(lab, load, case, gateway):
    """One run: the case's own figures, and what the gateway and strangers used meanwhile."""
    pid = lab.daemon.pid
    before = (cpu_of(pid), cpu_of_thread(pid, "ledger-fill"), lab_cpu(lab), busy(), time.monotonic())
    found = getattr(load, case)(gateway)
    took = time.monotonic() - before[4]
    gateway_cpu = cpu_of(pid) - before[0]
    strangers = busy() - before[3] - (lab_cpu(lab) - before[2])
    found.update(cpu=gateway_cpu, filler=cpu_of_thread(pid, "ledger-fill") - before[1], took=took, strangers=max(0.0, strangers / took))
    if gateway and gateway_cpu == 0 and took > 0.3:
        raise Failed("the gateway used no CPU: the traffic went past it")
    return found


def lab_cpu(lab):
    """Everything that belongs to this bench: daemon, origin, resolver, and load that has ended."""
    times = os.times()
    alive = sum(cpu_of_tree(process.pid) for process in lab.running if process.poll() is None)
    return alive + times.user + times.system + times.children_user + times.children_system
