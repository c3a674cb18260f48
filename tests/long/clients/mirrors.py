"""Makes small mirrors of package registries below a folder, to be served at a URL: each with the package `lab-notes`.

mirrors.py FOLDER URL: `pip/` (PEP 503), `npm/`, `cargo/` (a sparse index) and `apt/` (a flat one).
"""

import base64, hashlib, io, json, pathlib, subprocess, sys, tarfile, zipfile

folder, url = pathlib.Path(sys.argv[1]), sys.argv[2]


def write(path, content):
    path = folder / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def archive(files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def pip():
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as file:
        about = "lab_notes-1.0.dist-info"
        file.writestr("lab_notes.py", "said = 'from a wheel'\n")
        file.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: lab-notes\nVersion: 1.0\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "lab_notes.py,,\n")
    name = "lab_notes-1.0-py3-none-any.whl"
    write(f"pip/files/{name}", wheel.getvalue())
    write("pip/lab-notes/index.html", f'<!DOCTYPE html><a href="{url}/pip/files/{name}">{name}</a>')


def npm():
    about = {"name": "lab-notes", "version": "1.0.0", "main": "index.js"}
    tarball = archive({
        "package/package.json": json.dumps(about), "package/index.js": "module.exports = 'from a tarball';\n",
    })
    write("npm/files/lab-notes-1.0.0.tgz", tarball)
    sum = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    dist = {"tarball": f"{url}/npm/files/lab-notes-1.0.0.tgz", "integrity": sum}
    versions = {"1.0.0": {**about, "dist": dist}}
    write("npm/lab-notes", json.dumps({"name": "lab-notes", "dist-tags": {"latest": "1.0.0"}, "versions": versions}))


def cargo():
    about = '[package]\nname = "lab-notes"\nversion = "1.0.0"\nedition = "2021"\n'
    crate = archive({
        "lab-notes-1.0.0/Cargo.toml": about,
        "lab-notes-1.0.0/src/lib.rs": 'pub const SAID: &str = "from a crate";\n',
    })
    write("cargo/files/lab-notes/1.0.0.crate", crate)
    write("cargo/config.json", json.dumps({"dl": f"{url}/cargo/files/{{crate}}/{{version}}.crate"}))
    entry = {
        "name": "lab-notes", "vers": "1.0.0", "deps": [], "features": {}, "yanked": False,
        "cksum": hashlib.sha256(crate).hexdigest(),
    }
    write("cargo/la/b-/lab-notes", json.dumps(entry) + "\n")


def apt():
    control = "Package: lab-notes\nVersion: 1.0\nArchitecture: all\nMaintainer: lab <lab@lab.example>\nDescription: notes\n"
    root = folder / "deb"
    write("deb/DEBIAN/control", control)
    write("deb/usr/share/lab-notes", "from a package\n")
    package = folder / "apt/lab-notes_1.0_all.deb"
    write("apt/Packages", "")
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", root, package], check=True, stdout=subprocess.DEVNULL)
    content = package.read_bytes()
    listed = f"{control}Filename: ./{package.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
    write("apt/Packages", listed)
    sum = hashlib.sha256(listed.encode()).hexdigest()
    write("apt/Release", f"Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n {sum} {len(listed)} Packages\n")


pip(), npm(), cargo(), apt()
