"""The real nginx and the real Caddy with the configurations of deploy/proxy, on ports of their own."""

import os
import signal
import socket
import ssl
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.own_ports import own_port
from tests.support.stack import ROOT, eventually
from tests.support.tools import tool

CONFIGS = ROOT / "deploy" / "proxy"
CERTIFICATE = ROOT / "tests" / "unit" / "client" / "localhost.pem"
"""With its key; good for localhost alone."""
_STOP_S = 10.0
_MAIN = """
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/spaces.conf;
}}
"""


def trust() -> ssl.SSLContext:
    """What a client needs to take the certificate."""
    return ssl.create_default_context(cafile=CERTIFICATE)


class TlsProxy:
    """One of both before gateways at these URLs; `url` is where it has TLS."""

    def __init__(self, name: str, directory: Path, gateways: list[str], port: int) -> None:
        self.name, self.port, self.url = name, port, f"https://localhost:{port}"
        self.plain_port = own_port()
        self._log = directory / "log"
        self.access_log = directory / "access.log"
        addresses = [urlsplit(url).netloc for url in gateways]
        if name == "nginx":
            self._command = self._nginx(directory, addresses)
        else:
            self._command = self._caddy(directory, addresses)
        self._environment = {"PATH": os.defpath, "HOME": str(directory)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        with self._log.open("ab") as log:
            process = self._process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        eventually(lambda: process.poll() is not None or self._listens(), f"{self.name} listens")
        assert process.poll() is None, self._log.read_text()

    def stop(self) -> None:
        """End it, and every connection through it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _nginx(self, directory: Path, addresses: list[str]) -> list[str]:
        servers = "\n".join(f"server {address};" for address in addresses)
        changed = {
            "/etc/letsencrypt/live/spaces.example.com/fullchain.pem": str(CERTIFICATE),
            "/etc/letsencrypt/live/spaces.example.com/privkey.pem": str(CERTIFICATE),
            "/var/log/nginx/spaces.log": str(self.access_log),
            "server_name spaces.example.com;": "server_name localhost;",
            "server 127.0.0.1:5001;": servers,
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            "listen [::]:80;": "",
            "listen [::]:443 ssl http2;": "",
        }
        (directory / "spaces.conf").write_text(_with(CONFIGS / "nginx.conf", changed))
        main = directory / "nginx.conf"
        main.write_text(_MAIN.format(directory=directory, user="user root;" if os.geteuid() == 0 else ""))
        return [tool("nginx", "proxies"), "-p", str(directory), "-c", str(main), "-e", "stderr"]

    def _caddy(self, directory: Path, addresses: list[str]) -> list[str]:
        own_certificate = "# For a certificate of your own: tls /etc/caddy/cert.pem /etc/caddy/key.pem"
        changed = {
            own_certificate: f"tls {CERTIFICATE} {CERTIFICATE}",
            "\nspaces.example.com {": f"\nhttps://localhost:{self.port} {{\n\tbind 127.0.0.1",
            "\treverse_proxy 127.0.0.1:5001\n": f"\treverse_proxy {' '.join(addresses)}\n",
        }
        ours = f"{{\n\tadmin off\n\thttp_port {self.plain_port}\n\thttps_port {self.port}\n\tskip_install_trust\n"
        ours += "\tservers {\n\t\tprotocols h1 h2\n\t}\n}\n"
        file = directory / "Caddyfile"
        file.write_text(ours + _with(CONFIGS / "Caddyfile", changed))
        return [tool("caddy", "proxies"), "run", "--config", str(file), "--adapter", "caddyfile"]


def _with(file: Path, changed: dict[str, str]) -> str:
    """The text of a configuration with ports and paths of ours in place of its own, each of which must be there."""
    text = file.read_text()
    for before, after in changed.items():
        assert before in text, f"{file.name} has no {before!r}"
        text = text.replace(before, after)
    return text
