//! A real nginx as the world outside: HTTPS over HTTP/1.1 and HTTP/2, static files, and a way to our own servers.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use super::backends::{Wire, eventually};
use super::program::Running;
use super::services::HttpServer;
use super::{Lab, Leaf, UPSTREAM_V4, UPSTREAM_V6};

/// Where the server of our own behind the usual site listens.
const BEHIND: &str = "127.0.0.1:9080";
/// The same with HTTP/2, for gRPC.
const BEHIND_HTTP2: &str = "127.0.0.1:9082";

/// OpenSSL without a minimum of strength, config(5).
const LAX: &str = "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = lax\n[lax]\n\
                   CipherString = DEFAULT@SECLEVEL=0\n";

/// A running nginx.
pub struct Nginx {
    running: Running,
    access_log: PathBuf,
    behind: Option<[HttpServer; 2]>,
}

impl Nginx {
    pub(super) fn start(lab: &Lab, conf: &str, ready: &str) -> Self {
        let name = format!("nginx-{}", ready.replace([':', '[', ']', '.'], "-"));
        let folder = lab.folder().join(&name);
        std::fs::create_dir_all(&folder).expect("nginx's folder");
        let here = folder.display();
        // One process without a master: its pid is ours, and it needs no other user.
        let whole = format!(
            "daemon off; master_process off; pid {here}/pid; error_log stderr warn;
             events {{ worker_connections 512; }}
             http {{
                 access_log {here}/access.txt; client_body_temp_path {here}/body; proxy_temp_path {here}/proxy;
                 fastcgi_temp_path {here}/fastcgi; uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;
                 default_type text/plain; client_max_body_size 0; server_tokens off;
                 {}
             }}\n",
            lab.twin(conf)
        );
        let path = lab.file(&format!("{name}/nginx.conf"), whole);
        // Its own OpenSSL would refuse to show the weak certificates that some tests are about.
        let lax = lab.file("openssl-lax.cnf", LAX);
        let mut running = lab
            .upstream()
            .command("nginx")
            .env("OPENSSL_CONF", lax)
            .args(["-e", "stderr", "-p"])
            .arg(&folder)
            .arg("-c")
            .arg(path)
            .start_logged(&lab.folder().join(format!("{name}.log")));
        let address: SocketAddr = lab.twin(ready).parse().expect("an address with a port");
        lab.upstream().enter(|| {
            eventually("nginx listens", || {
                assert!(running.ended().is_none(), "nginx has ended; its log follows");
                TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()
            })
        });
        Self { running, access_log: folder.join("access.txt"), behind: None }
    }

    /// The access log so far, in nginx's combined format.
    pub fn access_log(&self) -> String {
        std::fs::read_to_string(&self.access_log).unwrap_or_default()
    }

    /// The HTTP/1.1 server of our own behind the usual site.
    pub fn behind(&self) -> &HttpServer {
        &self.behind.as_ref().expect("only `site` has servers behind it")[0]
    }

    /// The HTTP/2 server of our own behind the usual site's gRPC paths.
    pub fn behind_grpc(&self) -> &HttpServer {
        &self.behind.as_ref().expect("only `site` has servers behind it")[1]
    }

    /// Ends it at once.
    pub fn stop(mut self) {
        self.running.stop();
    }
}

/// The usual HTTPS site for some names, with a good certificate: ports 443 (HTTP/1.1 and HTTP/2) and 80 on
/// `UPSTREAM_V4` and `UPSTREAM_V6`. `/small` answers `hello from upstream` and a line end, `/1MiB` a mebibyte,
/// `/git/NAME.git` what `git` has made, `/push/NAME.git` and `/private/NAME.git` what `git_server` takes, `/mirror/` the files of the lab's
/// `www/mirror`; every other path goes to servers of our own (see `HttpServer`) without
/// buffering.
pub fn site(lab: &Lab, names: &[&str]) -> Nginx {
    let leaf = lab.pki().leaf(names);
    let behind =
        [lab.backends().http(BEHIND, Wire::Plain), lab.backends().http(BEHIND_HTTP2, Wire::PlainHttp2)];
    lab.file("www/small", "hello from upstream\n");
    lab.file("www/1MiB", vec![b'm'; 1 << 20]);
    let own = [UPSTREAM_V4, UPSTREAM_V6];
    let mut nginx = Nginx::start(
        lab,
        &format!(
            "map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}\n{}",
            server(lab, &leaf, &own, &listen(lab, &own, "80"))
        ),
        &format!("{UPSTREAM_V4}:443"),
    );
    nginx.behind = Some(behind);
    nginx
}

/// One `server` block with TLS on port 443 of these addresses: static files from the lab's `www` folder, and
/// everything else to the servers of our own. `more` stands inside it.
pub fn server(lab: &Lab, leaf: &Leaf, addresses: &[&str], more: &str) -> String {
    let listen = listen(lab, addresses, "443 ssl http2");
    format!(
        "server {{
             {listen} {more}
             ssl_certificate {}; ssl_certificate_key {};
             root {here}/www;
             location = /small {{}}
             location = /1MiB {{}}
             location /git/ {{}}
             location /mirror/ {{ types {{ text/html html; text/css css; text/javascript js; image/svg+xml svg; }} }}
             fastcgi_buffering off;
             fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
             fastcgi_param GIT_PROJECT_ROOT {here}; fastcgi_param GIT_HTTP_EXPORT_ALL '';
             fastcgi_param PATH_INFO $uri; fastcgi_param QUERY_STRING $query_string;
             fastcgi_param REQUEST_METHOD $request_method; fastcgi_param CONTENT_TYPE $content_type;
             fastcgi_param CONTENT_LENGTH $content_length; fastcgi_param HTTP_GIT_PROTOCOL $http_git_protocol;
             fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
             location /push/ {{ fastcgi_pass unix:{here}/git.sock; }}
             location /private/ {{
                 auth_basic lab; auth_basic_user_file {here}/htpasswd; fastcgi_pass unix:{here}/git.sock;
             }}
             location /lab.Echo/ {{ grpc_pass grpc://{BEHIND_HTTP2}; }}
             location / {{
                 proxy_pass http://{BEHIND}; proxy_http_version 1.1;
                 proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 1h;
                 proxy_set_header Host $http_host;
                 proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
             }}
         }}\n",
        leaf.certificate.display(),
        leaf.key.display(),
        here = lab.folder().display()
    )
}

/// Listening on those of these addresses that the lab has.
fn listen(lab: &Lab, addresses: &[&str], port: &str) -> String {
    let here = addresses.iter().filter(|address| lab.family().has(address));
    here.map(|address| match address.contains(':') {
        true => format!("listen [{address}]:{port}; "),
        false => format!("listen {address}:{port}; "),
    })
    .collect()
}

/// Makes a small git repository that the usual site serves at `/git/NAME.git`, as files.
pub fn git(lab: &Lab, name: &str) {
    let script = format!(
        "set -e
         git init -q -b main work-{name} && cd work-{name}
         echo 'a file in a repository' > README
         git add README
         git -c user.name=lab -c user.email=lab@lab.example commit -q -m first
         cd .. && mkdir -p www/git && git clone -q --bare work-{name} www/git/{name}.git
         git -C www/git/{name}.git update-server-info\n"
    );
    lab.upstream().command("sh").args(["-c", &script]).run().succeeded();
}

/// The same repository at `/push/NAME.git`, and at `/private/NAME.git` for those in the lab's file `htpasswd`, by the smart
/// protocol: both take what is pushed, while the server runs.
pub fn git_server(lab: &Lab, name: &str) -> Running {
    git(lab, name);
    let script = format!(
        "set -e
         mkdir -p push && cp -r www/git/{name}.git push/{name}.git
         git -C push/{name}.git config http.receivepack true
         mkdir -p private && cp -r push/{name}.git private/{name}.git\n"
    );
    lab.upstream().command("sh").args(["-c", &script]).run().succeeded();
    let socket = lab.folder().join("git.sock");
    let server = lab.upstream().command("fcgiwrap").arg("-s").arg(format!("unix:{}", socket.display()));
    let mut server = server.start_logged(&lab.folder().join("git.log"));
    eventually("fcgiwrap listens", || {
        assert!(server.ended().is_none(), "fcgiwrap has ended; its log follows");
        std::os::unix::net::UnixStream::connect(&socket).ok()
    });
    server
}
