"""The ways from load to origin: past every gateway, through this one, and through each peer that the machine has.

A way says under which name and address the origin is asked, which processes carry the traffic, and which cases it can
take. The peers intercept by TPROXY as we do, verify the origin, forge leaves with an authority of their own, allow
`*.test.example` and nothing else, and keep no log: they do less than we do. One of them is switched in at a time."""
import os
import re
import shutil
import subprocess

import office

HTTP1 = frozenset({"latency", "latency_shared", "http1", "connections", "bulk"})

class Way:
    """One way to the origin. `address` and `host` are asked where traffic is opened, `through` where it is passed on."""

    name, address, host, through = "plain", office.ORIGIN_PLAIN, office.PLAIN, office.PLAIN
    cases = HTTP1 | {"http2", "bulk_through", "dns", "dns_new"}

    def __init__(self, lab):
        self.lab = lab

    def version(self):
        return f"Linux {os.uname().release}, forwarding"

    def start(self):
        """Fresh processes, ready to serve."""

    def stop(self):
        """Their end."""

    def switch(self, _case):
        """Before each run: the traffic of this case now takes this way."""

    def processes(self):
        return []

    def trust(self):
        """The authority that signs what load sees, as PEM text."""
        return ""


class Clawgress(Way):
    """The daemon with policy, identity and records."""

    name, address, host, through = "clawgress", office.ORIGIN, office.NEAR, office.THROUGH
    cases = Way.cases | {"http1_two"}

    def version(self):
        return office.sh(self.lab.binary, "--version").stdout.strip()

    def start(self):
        self.lab.start_daemon([self.lab.gateway_cpu])

    def stop(self):
        self.lab.stop_daemon()

    def processes(self):
        return [self.lab.daemon.pid]

    def trust(self):
        return self.lab.cli("ca", "export").stdout


class Peer(Way):
    """Another gateway in the same place."""

    address, host, through = office.ORIGIN_PEER, office.PEER, office.PEER_THROUGH
    program, package, listens = "", "", 0

    def __init__(self, lab):
        super().__init__(lab)
        self.process = None
        self.folder = f"{lab.folder}/{self.name}"

    @classmethod
    def path(cls):
        return shutil.which(cls.program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")

    def command(self):
        """Writes what the program needs into `self.folder` and gives its command, which stays in the foreground."""
        raise NotImplementedError

    def port(self, _case):
        """Where this case's connections are handed to."""
        return self.listens

    def start(self):
        os.makedirs(self.folder, exist_ok=True)
        os.chmod(self.folder, 0o777)
        self.process = self.lab.spawn(self.lab.gateway, self.lab.gateway_cpu, *self.command())
        self.lab.wait(lambda: self.lab.listens(self.lab.gateway, self.listens), f"{self.name} listens")

    def stop(self):
        if self.process is not None:
            self.lab.end(self.process)
            self.process = None
        office.sh("rm", "-rf", self.folder)

    def switch(self, case):
        port = self.port(case)
        rules = f"""table ip bench_peer
delete table ip bench_peer
table ip bench_peer {{
 chain pre {{
  type filter hook prerouting priority mangle;
  iifname near2 tcp dport 443 tproxy to 127.0.0.1:{port} meta mark set {office.PEER_MARK} accept
  iifname far2 meta l4proto tcp socket transparent 1 meta mark set {office.PEER_MARK} accept
 }}
}}
"""
        subprocess.run(["ip", "netns", "exec", self.lab.gateway, "nft", "-f", "-"], input=rules, text=True, check=True, timeout=20)

    def processes(self):
        return [self.process.pid]

    def trust(self):
        with open(f"{self.lab.folder}/peer-ca.crt", encoding="utf-8") as file:
            return file.read()


HAPROXY = """\
global
  maxconn 9000
  nbthread 1
  tune.ssl.cachesize 0
  ssl-default-bind-options no-tls-tickets ssl-min-ver TLSv1.2
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 600s
frontend opened
  bind 127.0.0.1:{port} transparent backlog 8192 ssl crt {lab}/peer-leaf.pem generate-certificates ca-sign-file {lab}/peer-ca.pem alpn h2,http/1.1
  acl allowed req.hdr(host),field(1,:) -m end .test.example
  http-request deny unless allowed
  default_backend origin
frontend passed
  mode tcp
  bind 127.0.0.1:{through} transparent backlog 8192
  tcp-request inspect-delay 5s
  acl allowed req.ssl_sni -m end .test.example
  tcp-request content accept if {{ req.ssl_hello_type 1 }} allowed
  tcp-request content reject if WAIT_END
  default_backend origin_bytes
backend origin
  server origin 0.0.0.0:0 ssl verify required ca-file {lab}/origin-ca.crt sni ssl_fc_sni alpn h2,http/1.1 no-ssl-reuse
backend origin_bytes
  mode tcp
  server origin 0.0.0.0:0
"""


class Haproxy(Peer):
    """One thread, leaves forged for the name that is asked for, HTTP judged by its host."""

    name, program, package, listens = "haproxy", "haproxy", "haproxy", 3128
    cases = HTTP1 | {"http2", "bulk_through"}

    def version(self):
        return office.sh(self.path(), "-v").stdout.splitlines()[0].split(" 20")[0]

    def port(self, case):
        return self.listens + (case == "bulk_through")

    def command(self):
        text = HAPROXY.format(lab=self.lab.folder, port=self.listens, through=self.listens + 1)
        office.write(f"{self.folder}/haproxy.cfg", text)
        return self.path(), "-db", "-f", f"{self.folder}/haproxy.cfg"


SQUID = """\
pid_filename {folder}/squid.pid
http_port 127.0.0.1:{forward}
https_port {port} tproxy ssl-bump tls-cert={lab}/peer-ca.crt tls-key={lab}/peer-ca.key generate-host-certificates=on dynamic_cert_mem_cache_size=8MB options=NO_TICKET
sslcrtd_program {helper} -s {folder}/certs -M 8MB
sslcrtd_children 1 startup=1
sslproxy_session_cache_size 0
tls_outgoing_options cafile={lab}/origin-ca.crt
acl first at_step SslBump1
acl passed ssl::server_name {through}
acl allowed dstdomain .test.example
ssl_bump peek first
ssl_bump splice passed
ssl_bump bump all
http_access allow CONNECT
http_access allow allowed
http_access deny all
cache deny all
cache_mem 8 MB
access_log none
cache_store_log none
cache_log {folder}/cache.log
coredump_dir {folder}
max_filedescriptors {files}
workers 1
shutdown_lifetime 1 seconds
client_idle_pconn_timeout 10 minutes
server_idle_pconn_timeout 10 minutes
forwarded_for transparent
via off
visible_hostname bench
pinger_enable off
netdb_filename none
"""


class Squid(Peer):
    """Peeks at the name, then opens or passes on; HTTP/1.1 alone."""

    name, program, package, listens = "squid", "squid", "squid-openssl", 3228
    cases = HTTP1 | {"bulk_through"}
    helper = "/usr/lib/squid/security_file_certgen"

    @classmethod
    def path(cls):
        # Debian has two builds of one name; the one without OpenSSL forges nothing.
        return super().path() if os.access(cls.helper, os.X_OK) else None

    def version(self):
        return re.sub(r"Version ", "", office.sh(self.path(), "-v").stdout.splitlines()[0])

    def command(self):
        text = SQUID.format(lab=self.lab.folder, folder=self.folder, port=self.listens, forward=self.listens + 1, helper=self.helper,
                            through=self.through, files=office.FILES)
        office.write(f"{self.folder}/squid.conf", text)
        office.sh(self.helper, "-c", "-s", f"{self.folder}/certs", "-M", "8MB")
        # It gives up root for this user, who must be able to write here.
        office.sh("chown", "-R", "proxy:proxy", self.folder)
        return self.path(), "-N", "-f", f"{self.folder}/squid.conf"


class Sslsplit(Peer):
    """Opens TLS and relays the bytes inside, without a look at HTTP."""

    name, program, package, listens = "sslsplit", "sslsplit", "sslsplit", 3328
    cases = HTTP1

    def version(self):
        return office.sh(self.path(), "-V").stdout.splitlines()[0].split(" (")[0]

    def command(self):
        at = self.lab.folder
        return (self.path(), "-u", "root", "-c", f"{at}/peer-ca.crt", "-k", f"{at}/peer-ca.key", "-K", f"{at}/peer-leaf.key",
                "-e", "tproxy", "ssl", "127.0.0.1", str(self.listens))


PEERS = (Haproxy, Squid, Sslsplit)
