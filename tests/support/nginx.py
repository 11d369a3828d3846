"""nginx, as a web server and as a CDN, on loopback ports of its own."""

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.servers import binary_of, free_port, wait_for

CONFIG = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 2048; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    types {{ text/html html shtml; text/plain txt; image/jpeg jpg; application/json json; }}
    default_type application/octet-stream;
    gzip on; gzip_types *; gzip_min_length 1; gzip_http_version 1.0;
    large_client_header_buffers 4 64k;
    merge_slashes off;
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl;
        ssl_certificate {folder}/cert.pem;
        ssl_certificate_key {folder}/cert.pem;
        root {folder}/www;
        location /ssi/ {{ ssi on; }}
        location /moved/ {{ rewrite ^/moved/(.*)$ /$1 permanent; }}
        location /loop {{ return 302 /loop; }}
        location /secret {{ return 403; }}
        location /busy {{ return 503; }}
        location /no-ranges/ {{ max_ranges 0; }}
        location /headless {{ limit_except GET {{ deny all; }} if ($request_method = HEAD) {{ return 405; }} }}
    }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx."""

    url: str
    tls_url: str
    www: Path
    ca_file: str
    folder: Path

    def put(self, path: str, body: bytes) -> None:
        """Place a file."""
        file = self.www / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)


@contextmanager
def nginx(folder):
    """Run nginx over a folder of files."""
    import trustme

    authority = trustme.CA()
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "cert.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    (folder / "www").mkdir()
    plain, tls = free_port(), free_port()
    (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, plain=plain, tls=tls))
    binary = binary_of("nginx", "OPENOMS_NGINX")
    command = [binary, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "start.log")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        wait_for(plain, process)
        yield Nginx(
            f"http://127.0.0.1:{plain}", f"https://localhost:{tls}", folder / "www", str(folder / "ca.pem"), folder
        )
    finally:
        process.terminate()
        process.wait(10)
