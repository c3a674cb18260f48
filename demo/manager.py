"""What systemd is to the daemon, as far as the demo needs it: it hears that the daemon is ready, keeps the sockets that the
daemon hands over (sd_pid_notify_with_fds(3)) and passes them to the next one (sd_listen_fds(3))."""
import os
import socket
import sys

# Puts what it was passed where a daemon looks for it, and becomes the daemon.
LAUNCH = """import fcntl, os, sys
passed = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 500) for number in sys.argv[1].split(",") if number]
for place, number in enumerate(passed, 3):
    os.dup2(number, place)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class Manager:
    def __init__(self, folder):
        self.path = f"{folder}/notify.sock"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(15)
        self.kept = []

    def command(self, *daemon):
        """The daemon's command line, and what `Popen` needs beside it."""
        numbers = [number for _, number in self.kept]
        listed = ",".join(map(str, numbers))
        names = ":".join(name for name, _ in self.kept)
        told = [f"NOTIFY_SOCKET={self.path}"]
        if numbers:
            told += [f"LISTEN_FDS={len(numbers)}", f"LISTEN_FDNAMES={names}"]
        return ["env", *told, sys.executable, "-c", LAUNCH, listed, *daemon], {"pass_fds": numbers}

    def until_ready(self):
        """Whether the daemon said that it is ready, within the time."""
        while True:
            try:
                message, passed, _, _ = socket.recv_fds(self.socket, 4096, 253)
            except TimeoutError:
                return False
            said = dict(line.split("=", 1) for line in message.decode().splitlines())
            known = {os.fstat(number).st_ino for _, number in self.kept}
            for number in passed:
                if said.get("FDSTORE") == "1" and os.fstat(number).st_ino not in known:
                    self.kept.append((said["FDNAME"], number))
                else:
                    os.close(number)
            if said.get("READY") == "1":
                return True

    def forget(self):
        """Closes what it keeps, as when a service is stopped for good."""
        while self.kept:
            os.close(self.kept.pop()[1])
