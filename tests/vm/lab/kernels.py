# SPDX-License-Identifier: GPL-2.0-or-later
"""Build or fetch the kernels that the guests boot, each with its vmlinux, map and modules.

``bare`` is built from Debian's linux-source-6.1; the others are Debian's own, with vmlinux and
System.map from their -dbg packages. Each product holds ``release``, ``image``, ``vmlinux``,
``System.map`` and ``lib/modules/RELEASE``.
"""

from pathlib import Path

from tests.vm.lab.cache import product
from tests.vm.lab.roots import GUEST, builder, run_in

_BARE_CONFIG = GUEST / "bare.config"
_MODULE = GUEST / "module"

_BUILD_BARE = """
cd /build
apt-get download -qq linux-source-6.1
dpkg-deb --fsys-tarfile linux-source-6.1_*.deb | tar -x --wildcards './usr/src/*.tar.xz'
rm linux-source-6.1_*.deb
tar -xf usr/src/linux-source-6.1.tar.xz
rm -r usr
cd linux-source-6.1
make -s tinyconfig
scripts/kconfig/merge_config.sh -m .config /guest/bare.config >/dev/null
make -s olddefconfig
! grep -q '^CONFIG_KALLSYMS=y' .config
grep -v '^#' /guest/bare.config | while read -r line; do
    [ -z "$line" ] || grep -qx "$line" .config || { echo "not taken: $line"; exit 1; }
done
make -s -j$(nproc) bzImage modules
make -s INSTALL_MOD_PATH=/build modules_install
make -s kernelrelease >/build/release
cp arch/x86/boot/bzImage /build/image
cp vmlinux System.map .config /build
# Modules are compiled against what remains.
rm -rf Documentation block crypto drivers fs kernel lib mm net samples sound security vmlinux* .tmp_* certs ipc
"""  # noqa: E501

_COMPILE = """
cp /guest/module/* /build
cd /build
make -s -C {headers} M=/build {cross} modules
"""

_FETCH = """
cd /build
release=$(basename /usr/src/linux-headers-*-{flavour})
release=${{release#linux-headers-}}
apt-get download -qq linux-image-$release:{architecture} linux-image-$release-dbg:{architecture}
dpkg-deb --fsys-tarfile linux-image-${{release}}_*.deb | tar -x ./boot ./{modules}/$release
dpkg-deb --fsys-tarfile linux-image-$release-dbg_*.deb | tar -x --strip-components=5 \\
    ./usr/lib/debug/boot/vmlinux-$release ./usr/lib/debug/boot/System.map-$release
mv vmlinux-$release vmlinux
mv System.map-$release System.map
mv boot/vmlinuz-$release image
mkdir -p lib
[ -d lib/modules ] || mv usr/lib/modules lib/modules
rm linux-image-$release-dbg_*.deb
echo $release >release
"""


def bare() -> Path:
    """Return a 6.1 kernel without CONFIG_KALLSYMS and with CONFIG_RANDOMIZE_BASE.

    ``/proc/kallsyms`` does not exist, and the load offset differs from boot to boot.
    """
    root = builder("bookworm") / "root"

    def make(place: Path) -> None:
        run_in(root, _BUILD_BARE, binds={place: "/build", GUEST: "/guest"})

    return product("bare-kernel", [str(root), _BUILD_BARE, _BARE_CONFIG], make)


def of_debian(suite: str, architecture: str) -> Path:
    """Return the kernel of the distribution, on amd64 the cloud flavour.

    The product also holds its package.
    """
    root = builder(suite) / "root"
    flavour = "cloud-amd64" if architecture == "amd64" else architecture
    script = _FETCH.format(
        flavour=flavour,
        architecture=architecture,
        modules="lib/modules" if suite == "bookworm" else "usr/lib/modules",
    )

    def make(place: Path) -> None:
        run_in(root, script, binds={place: "/build"})

    return product(f"{suite}-{architecture}-kernel", [str(root), script], make)


def crash_module(suite: str, architecture: str, kernel: Path) -> Path:
    """Return the product with ``klogd_trouble.ko`` for a kernel, debug information included."""
    release = (kernel / "release").read_text().strip()
    own_tree = kernel / "linux-source-6.1"
    headers = "/linux" if own_tree.exists() else f"/usr/src/linux-headers-{release}"
    cross = "ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-" if architecture == "arm64" else ""
    script = _COMPILE.format(headers=headers, cross=cross)
    root = builder(suite) / "root"

    def make(place: Path) -> None:
        binds = {place: "/build", GUEST: "/guest"} | (
            {own_tree: "/linux"} if own_tree.exists() else {}
        )
        run_in(root, script, binds=binds)

    return product(
        f"trouble-{kernel.name}", [str(kernel), script, *sorted(_MODULE.iterdir())], make
    )
