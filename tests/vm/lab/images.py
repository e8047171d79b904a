# SPDX-License-Identifier: GPL-2.0-or-later
"""Build what the guests boot from: a disk with systemd, or one archive unpacked into memory.

klogd-py is installed as its users install it, by `make install` from its wheel, in the builder of
the guest's Debian.
"""

import shutil
from pathlib import Path

from msgspec import Struct

from tests.vm.lab import kernels
from tests.vm.lab.cache import PLACE, digest, product
from tests.vm.lab.roots import GUEST, builder, debian, packager, run, run_in

# The work tree
PROJECT = Path(__file__).resolve().parents[3]
DISK_MIB = 1500

_SYSTEMD = [
    "systemd",
    "systemd-sysv",
    "udev",
    "dbus",
    "rsyslog",
    "logrotate",
    "python3",
    "kmod",
    "procps",
    "initramfs-tools",
]
# The dependencies of klogd-py's package: the guests have no network to fetch them from.
_LIBRARIES = {
    "bookworm": ["python3-systemd", "python3-watchdog", "python3-pyroute2"],
    "trixie": ["python3-systemd", "python3-watchdog", "python3-pyroute2", "python3-msgspec"],
}
_SMALL = ["python3", "kmod", "procps", "mount", "util-linux", "iproute2"]

# $1 is the root, $2 the directory of the guest's own files. The product of the kernel holds its
# package.
_FINISH_SYSTEMD = r"""
cp {kernel}/linux-image-*.deb "$1/tmp/"
DEBIAN_FRONTEND=noninteractive chroot "$1" \
    sh -c 'apt-get install -y -qq /tmp/linux-image-*.deb && rm /tmp/*.deb'
mkdir -p "$1/lab"
cp "$2"/agent.py "$1/lab/"
cp "$2"/lab-agent.service "$2"/lab-shell.service "$1/etc/systemd/system/"
chroot "$1" systemctl -q enable lab-agent lab-shell
chroot "$1" systemctl -q mask serial-getty@ttyS0 serial-getty@hvc0 getty@tty1 systemd-logind \
    e2scrub_reap apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
# What udev would load for a processor that can do everything; under emulation it is slow
for module in kvm_amd kvm_intel powernow_k8 aesni_intel ghash_clmulni_intel crct10dif_pclmul \
    crc32_pclmul sha512_ssse3 sha256_ssse3 sha1_ssse3 polyval_clmulni; do
    echo "blacklist $module"
done >"$1/etc/modprobe.d/lab.conf"
echo {name} >"$1/etc/hostname"
echo '/dev/vda / ext4 rw 0 1' >"$1/etc/fstab"
mkdir -p "$1/var/log/journal"
"""

_FINISH_SMALL = r"""
mkdir -p "$1/lab" "$1/proc" "$1/sys" "$1/dev" "$1/run" "$1/tmp" "$1/root" "$1/usr/lib/modules"
cp "$2"/agent.py "$1/lab/"
cp "$2"/init "$1/init"
chmod 755 "$1/init"
cp -a {kernel}/lib/modules/. "$1/usr/lib/modules/"
rm -rf "$1/usr/lib/modules/"*/build "$1/usr/lib/modules/"*/source \
    "$1"/usr/lib/modules/*/kernel/drivers/net "$1"/usr/lib/modules/*/kernel/drivers/gpu \
    "$1"/usr/lib/modules/*/kernel/drivers/media "$1"/usr/lib/modules/*/kernel/sound
rm -rf "$1/var/lib/apt" "$1/var/cache" "$1/var/lib/dpkg" "$1/usr/share/doc" \
    "$1/usr/share/locale" "$1/usr/share/man" "$1/usr/share/zoneinfo" "$1"/usr/lib/*/gconv \
    "$1"/usr/lib/*/perl* "$1"/usr/share/perl* "$1/usr/bin/perl"*
"""


class Image(Struct, frozen=True):
    """The files that a guest boots: a disk with its initrd, or archives alone."""

    kernel: Path
    archives: tuple[Path, ...]
    disk: Path | None


def with_systemd(name: str, suite: str) -> Image:
    """Return a complete Debian on a disk, with its cloud kernel, journald, rsyslog and udev."""
    kernel = kernels.of_debian(suite, "amd64")
    finish = _FINISH_SYSTEMD.format(kernel=kernel, name=name)
    parts = [GUEST / "agent.py", GUEST / "lab-agent.service", GUEST / "lab-shell.service"]
    root = (
        debian(f"{name}-root", suite, [*_SYSTEMD, *_LIBRARIES[suite]], last=finish, parts=parts)
        / "root"
    )
    disk = (
        product(f"{name}-disk", [str(root)], lambda place: _make_disk(root, place / "disk.img"))
        / "disk.img"
    )
    release = (kernel / "release").read_text().strip()
    return Image(root / f"boot/vmlinuz-{release}", (root / f"boot/initrd.img-{release}",), disk)


def in_memory(name: str, suite: str, architecture: str, kernel: Path) -> Image:
    """Return Python and basic tools in an archive that is unpacked into memory at boot."""
    finish = _FINISH_SMALL.format(kernel=kernel)
    foreign = architecture != "amd64"
    # Packages of another architecture cannot be configured here. Unpacked, Python runs as well.
    packages = (
        [
            *_SMALL,
            "bash",
            "dash",
            "coreutils",
            "grep",
            "sed",
            "tar",
            "python3-systemd",
            "base-files",
        ]
        if foreign
        else _SMALL
    )
    variant = "extract" if foreign else "minbase"
    parts = [GUEST / "agent.py", GUEST / "init"]
    root = (
        debian(
            f"{name}-root",
            suite,
            packages,
            architecture=architecture,
            variant=variant,
            last=finish,
            parts=parts,
        )
        / "root"
    )
    archive = (
        product(
            f"{name}-archive",
            [str(root)],
            lambda place: _make_archive(suite, root, place / "initrd"),
        )
        / "initrd"
    )
    return Image(kernel / "image", (archive,), None)


def installed(suite: str, architecture: str = "amd64") -> Path:
    """Return the product whose ``stage.tar`` and ``stage.cpio`` hold what `make install` installs
    on a Debian of this suite."""
    script = _INSTALL if architecture == "amd64" else _INSTALL_FOREIGN
    return _from_sources(f"installed-{suite}-{architecture}", builder(suite) / "root", script)


def packaged(suite: str) -> Path:
    """Return the product whose ``stage.tar`` holds the packages that `make deb` builds.

    They are ``first.deb``, ``later.deb`` with a higher version, ``old.deb`` with a lower one and
    the places that files had in 0.1.0.
    """
    return _from_sources(f"packaged-{suite}", packager(suite) / "root", _PACKAGE)


def _from_sources(name: str, root: Path, script: str) -> Path:
    """Run a script on a copy of the work tree in /build/source; its products stay in /build."""
    sources = _sources()

    def make(place: Path) -> None:
        copy = place / "source"
        for file in sources:
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / file, copy / file)
        pip_cache = PLACE / "pip"
        pip_cache.mkdir(exist_ok=True)
        run_in(
            root,
            script,
            binds={
                place: "/build",
                pip_cache: "/root/.cache/pip",
                Path("/etc/ssl/certs"): "/etc/ssl/certs",
            },
        )
        shutil.rmtree(copy)

    content = digest(part for file in sources for part in (str(file), PROJECT / file))
    return product(name, [str(root), script, content], make)


_INSTALL = """
cd /build/source
make -s install DESTDIR=/build/stage PREFIX=/usr/local >/dev/null
cd /build/stage
tar -cf ../stage.tar --owner=0 --group=0 .
find . | cpio -o -H newc --quiet >../stage.cpio
rm -r /build/stage
"""

_INSTALL_FOREIGN = """
cd /build/source
make -s install DESTDIR=/build/stage PREFIX=/usr/local >/dev/null
lib=/build/stage/usr/local/lib/klogd-py
for name in $lib/*; do
    case ${name##*/} in klogd_py*) ;; *) rm -r $name ;; esac
done
python3 -m venv /build/venv
/build/venv/bin/pip install -q --disable-pip-version-check --target $lib --platform any \\
    --platform manylinux2014_aarch64 --platform manylinux_2_17_aarch64 --only-binary :all: \\
    msgspec watchdog pyroute2
rm -r /build/venv
cd /build/stage
tar -cf ../stage.tar --owner=0 --group=0 .
find . | cpio -o -H newc --quiet >../stage.cpio
rm -r /build/stage
"""

# The later package is the first one with a higher version. The old one has both commands in sbin.
_PACKAGE = """
cd /build/source
make -s deb >/dev/null
mkdir /build/stage
mv dist/*.deb /build/stage/first.deb
cd /build
dpkg-deb -R stage/first.deb unpacked
sed -i 's/^\\(Version: .*\\)-1~/\\1-2~/' unpacked/DEBIAN/control
dpkg-deb -b unpacked stage/later.deb >/dev/null
cd unpacked
sed -i 's/^\\(Version: .*\\)-2~/\\1-0~/' DEBIAN/control
mv usr/bin/klogd-py usr/sbin/
rmdir usr/bin
sed -i 's,=/usr/bin/klogd-py,=/usr/sbin/klogd-py,' $(find . -name klogd-py.service)
cd ..
dpkg-deb -b unpacked stage/old.deb >/dev/null
tar -C stage -cf stage.tar .
rm -r unpacked stage
"""


def _sources() -> list[Path]:
    """Return the files of the work tree on which an installation can depend."""
    listed = run(
        "git", "ls-files", "--cached", "--others", "--exclude-standard", at=PROJECT
    ).splitlines()
    return sorted(
        Path(name)
        for name in listed
        if not name.startswith(("tests/", ".ci/")) and (PROJECT / name).is_file()
    )


def _make_disk(root: Path, disk: Path) -> None:
    with disk.open("wb") as file:
        file.truncate(DISK_MIB << 20)
    run("mkfs.ext4", "-q", "-F", "-d", str(root), str(disk))


def _make_archive(suite: str, root: Path, archive: Path) -> None:
    binds = {root: "/mnt", archive.parent: "/build"}
    script = (
        "cd /mnt; depmod -b /mnt $(ls usr/lib/modules); "
        f"find . | cpio -o -H newc --quiet >/build/{archive.name}"
    )
    run_in(builder(suite) / "root", script, binds=binds)
