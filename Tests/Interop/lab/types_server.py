"""Debian's nginx with VSI types behind TLS, certificates for it, and evbd-types beside it: unpacked, never installed."""

import socket
import ssl
import subprocess
import threading

from . import packages
from .evbd import binary
from .system import eventually, run

PACKAGES = ("nginx", "libpcre2-8-0", "libssl3", "zlib1g")
HOST = "127.0.0.1"
# nginx: what is in order, another certificate that is not valid any more, and one that wants the client's.
PORT, EXPIRED, CLIENTS, RAW = 8443, 8444, 8445, 8446


class Authority:
    """A test CA, and what it signs."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        folder.mkdir(exist_ok=True)
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                      "-subj", f"/CN={name}", "-keyout", self.path(f"{name}.key"), "-out", self.path(f"{name}.pem"))
        (folder / f"{name}.index").write_text("")
        (folder / f"{name}.cnf").write_text(f"""[ca]
default_ca = this
[this]
database = {folder}/{name}.index
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
""")
        self.certificate = self.path(f"{name}.pem")

    def path(self, name):
        return self.folder / name

    def _openssl(self, *words):
        return run("openssl", *words)

    def sign(self, name, start="20200101000000Z", end="20991231235959Z"):
        """A certificate for HOST, and its key: (certificate, key)."""
        key, request, certificate = (self.path(f"{name}.{end_}") for end_ in ("key", "csr", "pem"))
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                      "-addext", f"subjectAltName=IP:{HOST}", "-keyout", key, "-out", request)
        self._openssl("ca", "-batch", "-notext", "-config", self.path(f"{self.name}.cnf"), "-cert", self.certificate,
                      "-keyfile", self.path(f"{self.name}.key"), "-startdate", start, "-enddate", end, "-in", request, "-out", certificate)
        return certificate, key


class Nginx:
    """nginx in a namespace. What is in `root` is served; a file is put there as a whole."""

    def __init__(self, lab, namespace, authority, name="nginx"):
        self.lab, self.namespace, self.name = lab, namespace, name
        self._program = packages.unpacked("nginx", PACKAGES)
        self.folder = lab.directory / name
        self.folder.mkdir()
        self.root = self.folder / "root"
        self.root.mkdir()
        good, expired = authority.sign(f"{name}-good"), authority.sign(f"{name}-expired", end="20210101000000Z")
        servers = "".join(f"""
    server {{
        listen {HOST}:{port} ssl;
        ssl_certificate {certificate[0]};
        ssl_certificate_key {certificate[1]};
        {more}
        root {self.root};
        location /moved {{ return 302 /types.yaml; }}
        location /away {{ return 302 https://{HOST}:{EXPIRED}/types.yaml; }}
        location /loop {{ return 302 /loop; }}
        location /forbidden {{ return 403; }}
        location /broken {{ return 503; }}
        location /slow {{ limit_rate 1; alias {self.root}/slow; }}
    }}""" for port, certificate, more in (
            (PORT, good, ""), (EXPIRED, expired, ""),
            (CLIENTS, good, f"ssl_client_certificate {authority.certificate}; ssl_verify_client on;")))
        (self.folder / "nginx.conf").write_text(f"""daemon off;
master_process off;
pid {self.folder}/pid;
error_log stderr notice;
user root;
worker_processes 1;
events {{ }}
http {{
    access_log {self.folder}/access.log;
    client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/proxy; fastcgi_temp_path {self.folder}/fastcgi;
    uwsgi_temp_path {self.folder}/uwsgi; scgi_temp_path {self.folder}/scgi;
    sendfile on;{servers}
}}
""")
        self.process = None
        self.start()

    def start(self):
        libraries = sorted({str(path.parent) for path in self._program.glob("**/*.so.*")})
        self.process = self.lab.start(self.name, self.namespace.command(
            self._program / "usr/sbin/nginx", "-p", self.folder, "-c", self.folder / "nginx.conf"), {"LD_LIBRARY_PATH": ":".join(libraries)})
        eventually(self.listens, 10, f"nginx listens\n{self.process.tail()}")

    def listens(self):
        assert self.process.alive, f"nginx ended\n{self.process.tail()}"
        with self.namespace.entered(), socket.socket() as probe:
            return probe.connect_ex((HOST, PORT)) == 0

    def put(self, text, name="types.yaml"):
        temporary = self.root / f".{name}"
        temporary.write_bytes(text if isinstance(text, bytes) else text.encode())
        temporary.rename(self.root / name)

    def asked(self):
        """[(path, status)] of all questions so far."""
        log = self.folder / "access.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [(line.split('"')[1].split()[1], int(line.split('"')[2].split()[0])) for line in lines if '"GET ' in line]


class Raw:
    """A TLS server that answers every question by `answer`, a function that gets the connection."""

    def __init__(self, lab, namespace, certificate, answer):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        with namespace.entered():
            self._listener = socket.create_server((HOST, RAW))
        self._context, self.answer = context, answer
        lab.at_end(self._listener.close)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        try:
            with self._context.wrap_socket(connection, server_side=True) as secure:
                secure.recv(65536)
                self.answer(secure)
        except OSError:
            pass


def start_evbd_types(evbd, name="evbd-types"):
    """evbd-types of an evbd, in its namespace."""
    command = [binary("evbd-types"), "--runtime-dir", evbd.directory, "--types-dir", evbd.directory / "type-copies"]
    return evbd.lab.start(name, evbd.namespace.command(*command))


def url(path="/types.yaml", port=PORT):
    return f"https://{HOST}:{port}{path}"


def openssl_is_there():
    return subprocess.run(["openssl", "version"], capture_output=True).returncode == 0
