//! Certificates of every kind, made with the `openssl` program: weak, odd, wrong, and good but unusual ones; and the
//! statuses that servers staple to them.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Lab;

/// What makes a certificate an authority's.
pub const CA: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n";
/// What makes one a server's, but for its names.
pub const SERVER: &str =
    "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n";

/// A workshop with a folder of its own.
pub struct Forge {
    folder: PathBuf,
    number: Cell<u32>,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Made {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
    number: u32,
}

/// What a certificate shall be.
#[derive(Debug, Clone)]
pub struct Spec<'a> {
    /// The common name.
    pub name: &'a str,
    /// The key: `p256`, `p384`, `p521`, `p224`, `rsa2048`, `ed25519` and the like; more behind a colon tells keys of
    /// one kind apart.
    pub key: &'a str,
    /// Extensions as in config(5); none at all make an X.509 version 1 certificate.
    pub extensions: String,
    /// More arguments for the signature, such as `-sha1`.
    pub signature: &'a [&'a str],
}

impl<'a> Spec<'a> {
    /// An authority.
    pub fn ca(name: &'a str, key: &'a str) -> Self {
        Self { name, key, extensions: CA.to_owned(), signature: &[] }
    }

    /// A server, for these names (`DNS:`, `IP:`).
    pub fn server(names: &str) -> Self {
        let extensions = format!("{SERVER}subjectAltName={names}\n");
        Self { name: "server", key: "p256", extensions, signature: &[] }
    }

    /// With another key.
    pub fn key(self, key: &'a str) -> Self {
        Self { key, ..self }
    }

    /// With other extensions.
    pub fn with(self, extensions: impl Into<String>) -> Self {
        Self { extensions: extensions.into(), ..self }
    }

    /// With a signature made in this way.
    pub fn signed(self, signature: &'a [&'a str]) -> Self {
        Self { signature, ..self }
    }
}

impl Forge {
    /// A workshop in the lab's folder.
    pub fn new(lab: &Lab) -> Self {
        let folder = lab.folder().join("forge");
        fs::create_dir_all(&folder).expect("a folder");
        Self { folder, number: Cell::new(0x1000) }
    }

    /// A certificate that vouches for itself.
    pub fn alone(&self, spec: &Spec<'_>) -> Made {
        let key = self.key(spec.key);
        self.make(spec, &["-signkey", text(&key)])
    }

    /// A certificate that `by` vouches for.
    pub fn issue(&self, by: &Made, spec: &Spec<'_>) -> Made {
        self.make(spec, &["-CA", text(&by.certificate), "-CAkey", text(&by.key)])
    }

    fn make(&self, spec: &Spec<'_>, issuer: &[&str]) -> Made {
        let number = self.number.replace(self.number.get() + 1);
        let [request, extensions, certificate] =
            ["csr", "ext", "pem"].map(|kind| self.folder.join(format!("{number}.{kind}")));
        let (key, subject) = (self.key(spec.key), format!("/CN={}", spec.name));
        self.openssl(&["req", "-new", "-key", text(&key), "-subj", &subject, "-out", text(&request)]);
        let serial = format!("0x{number:x}");
        let mut arguments =
            vec!["x509", "-req", "-in", text(&request), "-days", "365", "-set_serial", &serial, "-out"];
        arguments.push(text(&certificate));
        if !spec.extensions.is_empty() {
            fs::write(&extensions, &spec.extensions).expect("a file of extensions");
            arguments.extend(["-extfile", text(&extensions)]);
        }
        self.openssl(&[&arguments, issuer, spec.signature].concat());
        Made { certificate, key, number }
    }

    /// The key of this kind and mark, made on first use.
    fn key(&self, kind: &str) -> PathBuf {
        let path = self.folder.join(format!("{}.key", kind.replace(':', "-")));
        if !path.exists() {
            let kind = kind.split(':').next().unwrap_or(kind);
            let bits = format!("rsa_keygen_bits:{}", kind.trim_start_matches("rsa"));
            let options: &[&str] = match kind {
                "p224" => &["EC", "-pkeyopt", "ec_paramgen_curve:P-224"],
                "p256" => &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                "p384" => &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
                "p521" => &["EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
                "k256" => &["EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
                "ed25519" => &["ED25519"],
                _ => &["RSA", "-pkeyopt", &bits],
            };
            self.openssl(&[&["genpkey", "-out", text(&path), "-algorithm"], options].concat());
        }
        path
    }

    /// A PEM file of several certificates, in this order.
    pub fn bundle(&self, certificates: &[&Made]) -> PathBuf {
        let path = self.folder.join(format!("bundle-{}.pem", self.number.replace(self.number.get() + 1)));
        let all =
            certificates.iter().map(|made| fs::read_to_string(&made.certificate).expect("a certificate"));
        fs::write(&path, all.collect::<String>()).expect("a bundle");
        path
    }

    /// A status of `leaf`, issued by `issuer`, that `signer` signs: `V` valid, `R` revoked, or anything else for one
    /// that is not known. With `next`, it says when the next one comes.
    pub fn status(&self, (leaf, issuer): (&Made, &Made), signer: &Made, status: &str, next: bool) -> PathBuf {
        let number = self.number.replace(self.number.get() + 1);
        let [index, response] = ["index", "ocsp"].map(|kind| self.folder.join(format!("{number}.{kind}")));
        let line = match status {
            "V" => format!("V\t391231235959Z\t\t{:X}\tunknown\t/CN=server\n", leaf.number),
            "R" => format!("R\t391231235959Z\t240102030405Z\t{:X}\tunknown\t/CN=server\n", leaf.number),
            _ => String::new(),
        };
        fs::write(&index, line).expect("an index");
        let mut arguments = vec!["ocsp", "-noverify", "-no_nonce", "-index", text(&index)];
        arguments.extend(["-CA", text(&issuer.certificate), "-issuer", text(&issuer.certificate)]);
        arguments.extend(["-cert", text(&leaf.certificate), "-respout", text(&response)]);
        arguments.extend(["-rsigner", text(&signer.certificate), "-rkey", text(&signer.key)]);
        if next {
            arguments.extend(["-ndays", "7"]);
        }
        self.openssl(&arguments);
        response
    }

    /// A file with these bytes.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, bytes).expect("a file");
        path
    }

    fn openssl(&self, arguments: &[&str]) {
        let ended = Command::new("openssl").args(arguments).current_dir(&self.folder).output();
        let ended = ended.expect("openssl runs");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "openssl {}\n{said}", arguments.join(" "));
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
