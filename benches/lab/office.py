"""The lab: namespaces, certificates, origin, resolver, and the gateway between load and origin.

    load  -- 10.77.0.0/24 --  gateway (the daemon)        -- 192.0.2.0/24    --  origin
          -- 10.78.0.0/24 --  gateway (kernel forwarding) -- 198.51.100.0/24 --
          -- 10.79.0.0/24 --  gateway (a peer)            -- 203.0.113.0/24  --

All ways lead through the same gateway namespace and reach the same nginx; each interceptor has one of them alone.
All names carry this process's id; nothing outside its namespaces and its folder is changed."""
import os
import signal
import socket
import subprocess
import tempfile
import time

LAB = os.path.dirname(os.path.abspath(__file__))
NEAR, PLAIN = "api.test.example", "plain.test.example"
# A name of one label more, another each time.
OWN = "*.new.test.example"
THROUGH = "through.test.example"
PEER, PEER_THROUGH = "peer.test.example", "peer-through.test.example"
ORIGIN, ORIGIN_PLAIN, ORIGIN_PEER = "192.0.2.10", "198.51.100.10", "203.0.113.10"
WAYS = (("near0", "far0", "10.77.0", "192.0.2"), ("near1", "far1", "10.78.0", "198.51.100"), ("near2", "far2", "10.79.0", "203.0.113"))
# What marks a peer's packets, and the routing table that keeps them here.
PEER_MARK, PEER_TABLE = 7, 7707
SMALL, BULK = 1024, 100_000_000
FILES = 20_000

NGINX = """\
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log warn;
worker_rlimit_nofile {files};
events {{ worker_connections 9000; multi_accept on; }}
http {{
  access_log off; default_type application/octet-stream; types {{ }}
  keepalive_timeout 600s; keepalive_requests 100000000; tcp_nodelay on; sendfile on;
  open_file_cache max=100 inactive=3600s; output_buffers 4 128k;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  ssl_certificate {folder}/origin.crt; ssl_certificate_key {folder}/origin.key;
  ssl_protocols TLSv1.3; ssl_ecdh_curve X25519; ssl_session_tickets off; ssl_session_cache off;
  ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
  server {{ listen 443 ssl http2 backlog=8192; listen 80 backlog=8192; root {folder}/www; }}
}}
"""

# wrk, h2load and curl ask for what the load tool asks for.
OPENSSL = """\
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = default
[default]
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519:P-256
"""

CONFIG = """\
apiVersion: clawgress.io/v1alpha1
kind: ClawgressConfig
metadata: {{name: bench}}
spec:
  intercept: {{interfaces: [near0], subnets: [10.77.0.0/24]}}
  dns: {{upstreams: ["{resolver}"]}}
  upstream: {{trustAnchors: [{folder}/origin-ca.crt]}}
  policyDir: {folder}/policies.d
  stateDir: {state}
  runtimeDir: {folder}/run
"""


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def sh(*command, **options):
    options.setdefault("check", True)
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, **options)


class Office:
    """Everything that stands for the length of the bench. `cpus` are those of the gateway and of load and origin."""

    def __init__(self, binary, cpus):
        self.binary, (self.gateway_cpu, self.load_cpu) = binary, cpus
        tag = f"cgb{os.getpid() % 100000}"
        self.load, self.gateway, self.origin = (f"{tag}-{part}" for part in ("load", "gw", "origin"))
        self.folder = tempfile.mkdtemp(prefix="clawgress-bench-")
        os.chmod(self.folder, 0o755)
        self.running, self.daemon, self.starts = [], None, 0

    def __enter__(self):
        try:
            self.build_network()
            self.build_pki()
            self.build_files()
            self.nginx = self.spawn(self.origin, self.load_cpu, "nginx", "-c", f"{self.folder}/nginx.conf")
            self.resolver = self.spawn(self.origin, self.load_cpu, "/usr/bin/python3", f"{LAB}/resolver.py")
            self.wait(lambda: self.listens(self.origin, 443), "nginx listens")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for process in reversed(self.running[:]):
            self.end(process)
        for namespace in (self.load, self.gateway, self.origin):
            sh("ip", "netns", "del", namespace, check=False)
            sh("rm", "-rf", f"/etc/netns/{namespace}", check=False)
        sh("rm", "-rf", self.folder, check=False)

    def inside(self, namespace, cpu, *command):
        pinned = ["taskset", "-c", str(cpu)] if cpu is not None else []
        # Gateways run with their own idea of TLS: what load and origin take leaves them one choice.
        settings = [] if namespace == self.gateway else [f"OPENSSL_CONF={self.folder}/openssl.cnf"]
        return ["ip", "netns", "exec", namespace, *pinned, "env", "-i", f"PATH={os.environ['PATH']}:/usr/sbin:/sbin", *settings, *command]

    def spawn(self, namespace, cpu, *command):
        log = open(f"{self.folder}/{os.path.basename(command[0])}.out", "a", encoding="utf-8")
        process = subprocess.Popen(self.inside(namespace, cpu, *command), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.running.append(process)
        return process

    def end(self, process, seconds=20):
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.running.remove(process)

    def wait(self, ready, what, seconds=15):
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                said = "".join(f"  {line}\n" for line in self.last_words())
                raise SystemExit(f"error: {what}: not within {seconds} s; the programs said last:\n{said}")
            time.sleep(0.02)

    def last_words(self):
        for name in sorted(name for name in os.listdir(self.folder) if name.endswith(".out")):
            with open(f"{self.folder}/{name}", encoding="utf-8", errors="replace") as log:
                yield from (f"{name[:-4]}: {line.strip()}" for line in log.readlines()[-3:])

    def listens(self, namespace, port):
        return bool(sh("ip", "netns", "exec", namespace, "ss", "-Hltn", f"sport = :{port}").stdout.strip())

    def build_network(self):
        for namespace in (self.load, self.gateway, self.origin):
            sh("ip", "netns", "add", namespace)
            sh("ip", "-n", namespace, "link", "set", "lo", "up")
            os.makedirs(f"/etc/netns/{namespace}", exist_ok=True)
        for near, far, subnet, beyond in WAYS:
            number = near[-1]
            self.link(self.load, f"eth{number}", f"{subnet}.2", near, f"{subnet}.1")
            self.link(self.origin, f"eth{number}", f"{beyond}.10", far, f"{beyond}.1")
            sh("ip", "-n", self.load, "route", "add", f"{beyond}.0/24", "via", f"{subnet}.1")
            sh("ip", "-n", self.origin, "route", "add", f"{subnet}.0/24", "via", f"{beyond}.1")
        for namespace in (self.load, self.gateway, self.origin):
            for setting in ("ipv4.tcp_tw_reuse=1", "core.somaxconn=8192", "ipv4.tcp_max_syn_backlog=8192"):
                sh("ip", "netns", "exec", namespace, "sysctl", "-qw", f"net.{setting}", check=False)
        for namespace in (self.load, self.origin):
            sh("ip", "netns", "exec", namespace, "sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65000")
        sh("ip", "netns", "exec", self.gateway, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        write(f"/etc/netns/{self.load}/hosts", f"127.0.0.1 localhost\n{ORIGIN_PLAIN} {PLAIN}\n{ORIGIN_PEER} {PEER} {PEER_THROUGH}\n")
        write(f"/etc/netns/{self.load}/resolv.conf", f"nameserver {ORIGIN}\n")
        # Squid looks its destinations up again.
        write(f"/etc/netns/{self.gateway}/hosts", f"127.0.0.1 localhost\n{ORIGIN_PEER} {PEER} {PEER_THROUGH}\n")
        sh("ip", "-n", self.gateway, "rule", "add", "fwmark", str(PEER_MARK), "lookup", str(PEER_TABLE))
        sh("ip", "-n", self.gateway, "route", "add", "local", "default", "dev", "lo", "table", str(PEER_TABLE))

    def link(self, end, name, address, gateway_name, gateway_address):
        sh("ip", "-n", end, "link", "add", name, "type", "veth", "peer", "name", gateway_name, "netns", self.gateway)
        for namespace, link, at in ((end, name, address), (self.gateway, gateway_name, gateway_address)):
            sh("ip", "-n", namespace, "addr", "add", f"{at}/24", "dev", link)
            sh("ip", "-n", namespace, "link", "set", link, "up")

    def build_pki(self):
        at = f"{self.folder}/"
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        sh("openssl", "req", "-x509", *curve, "-days", "3", "-subj", "/CN=The bench's origin CA", "-keyout", at + "origin-ca.key",
           "-out", at + "origin-ca.crt", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
        write(at + "ext", "subjectAltName=DNS:*.test.example\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n")
        sh("openssl", "req", *curve, "-subj", "/CN=test.example", "-keyout", at + "origin.key", "-out", at + "origin.csr")
        sh("openssl", "x509", "-req", "-in", at + "origin.csr", "-CA", at + "origin-ca.crt", "-CAkey", at + "origin-ca.key",
           "-CAcreateserial", "-days", "3", "-extfile", at + "ext", "-out", at + "origin.crt")
        # The peers' own authority, which they sign with, and a leaf where one wants it beforehand.
        sh("openssl", "req", "-x509", *curve, "-days", "3", "-subj", "/CN=The bench's peer CA", "-keyout", at + "peer-ca.key",
           "-out", at + "peer-ca.crt", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
        sh("openssl", "req", *curve, "-subj", "/CN=test.example", "-keyout", at + "peer-leaf.key", "-out", at + "peer-leaf.csr")
        sh("openssl", "x509", "-req", "-in", at + "peer-leaf.csr", "-CA", at + "peer-ca.crt", "-CAkey", at + "peer-ca.key",
           "-CAcreateserial", "-days", "3", "-extfile", at + "ext", "-out", at + "peer-leaf.crt")
        for name in ("peer-ca", "peer-leaf"):
            sh("sh", "-c", f"cat {at}{name}.crt {at}{name}.key > {at}{name}.pem; chmod 0644 {at}{name}.*")

    def build_files(self):
        os.makedirs(f"{self.folder}/www")
        os.makedirs(f"{self.folder}/policies.d")
        with open(f"{self.folder}/www/small", "wb") as file:
            file.write(b"x" * SMALL)
        with open(f"{self.folder}/www/bulk", "wb") as file:
            for _ in range(100):
                file.write(os.urandom(BULK // 100))
        sh("chmod", "-R", "a+rX", f"{self.folder}/www")
        sh("cp", f"{LAB}/policies.yaml", f"{self.folder}/policies.d/")
        for name, text in (("nginx.conf", NGINX), ("openssl.cnf", OPENSSL)):
            write(f"{self.folder}/{name}", text.format(folder=self.folder, files=FILES))

    def start_daemon(self, cpus):
        """A fresh daemon with an empty state, a worker for each of `cpus`. Returns once it serves."""
        self.starts += 1
        state = f"{self.folder}/state-{self.starts}"
        write(f"{self.folder}/clawgress.yaml", CONFIG.format(folder=self.folder, state=state, resolver=ORIGIN))
        pinned = ",".join(str(cpu) for cpu in cpus)
        self.daemon = self.spawn(self.gateway, pinned, self.binary, "daemon", "--config", f"{self.folder}/clawgress.yaml")
        self.wait(lambda: self.daemon.poll() is not None or self.cli("status").returncode == 0, "the daemon is ready")
        if self.daemon.poll() is not None:
            with open(f"{self.folder}/clawgress.out", encoding="utf-8") as log:
                raise SystemExit("error: the daemon did not start\n" + log.read())
        # The names are resolved through the gateway, as agents do, so that it knows the addresses it gave.
        for name in (NEAR, THROUGH):
            sh(*self.inside(self.load, self.load_cpu, "getent", "ahostsv4", name))

    def stop_daemon(self):
        if self.daemon is not None:
            self.end(self.daemon)
            self.daemon = None
            sh("rm", "-rf", f"{self.folder}/state-{self.starts}")

    def trusting(self, authorities):
        """Load trusts the origin's authority and these, whichever way a request takes."""
        with open(f"{self.folder}/origin-ca.crt", encoding="utf-8") as origin:
            write(f"{self.folder}/trust.pem", origin.read() + "".join(authorities))

    def cli(self, *arguments):
        command = [self.binary, "--socket", f"{self.folder}/run/admin.sock", *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=10, check=False)


def cpus():
    """The gateway's core, and that of load and origin: the first two there are."""
    mine = sorted(os.sched_getaffinity(0))
    return (mine[0], mine[1]) if len(mine) > 1 else (mine[0], mine[0])


def host_line():
    model = sh("sh", "-c", "sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n1").stdout.strip() or os.uname().machine
    return f"{socket.gethostname()}: {os.cpu_count()} x {model}, Linux {os.uname().release}"
