# SPDX-License-Identifier: GPL-2.0-or-later
"""Say what to type for a remedy on the machine at hand: packages, services, kernel settings.

Source of truth: the kernel packages of the distributions (``/usr/lib/debug/boot`` of Debian,
``build/System.map`` and ``build/vmlinux`` in Arch's headers, ``lib/modules/RELEASE/System.map`` of
Fedora and SUSE, ``$dev/vmlinux`` of NixOS); grubby(8), kernel-install(8), rc-service(8),
configuration.nix(5).
"""

import shutil
import sys
from collections.abc import Mapping
from types import MappingProxyType

from klogd_py.doctor.distribution import (
    Family,
    Init,
    find_family,
    find_init,
    is_container,
    is_own_environment,
)
from klogd_py.doctor.host import Host
from klogd_py.system.libraries import Library

_INSTALL: Mapping[Family, str] = MappingProxyType(
    {
        Family.DEBIAN: "apt-get install",
        Family.UBUNTU: "apt-get install",
        Family.FEDORA: "dnf install",
        Family.SUSE: "zypper install",
        Family.ARCH: "pacman -S",
        Family.ALPINE: "apk add",
    }
)
_NIX = "/etc/nixos/configuration.nix"
_NIX_SWITCH = "nixos-rebuild switch"
_NIX_KERNEL = "${config.boot.kernelPackages.kernel"
_SETTINGS = "/etc/klogd-py.toml"
_PROGRAMS = ("/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin")


def install(host: Host, package: str) -> str:
    """Return the command that installs a package, by its name in the machine's distribution."""
    family = find_family(host)
    if family is Family.NIXOS:
        return in_nix(f"environment.systemPackages = [ pkgs.{package} ];")
    return f"{_INSTALL[family]} {package}" if family in _INSTALL else f"install {package}"


def install_library(host: Host, library: Library) -> str:
    """Return the command that installs a library for the Python that runs this program."""
    if is_own_environment():
        return f"{sys.prefix}/bin/pip install {library.name}"
    family = find_family(host)
    if family is Family.NIXOS:
        return f"add python3Packages.{library.name} to what klogd-py is built with in {_NIX}"
    if family not in _INSTALL:
        return f"{sys.executable} -m pip install {library.name}"
    return install(host, _library_package(family, library))


def _library_package(family: Family, library: Library) -> str:
    name = library.name
    if family is Family.ALPINE:
        return f"py3-{name}"
    special = {"systemd-python": "systemd", "prometheus-client": "prometheus_client"}
    name = special.get(name, name)
    if family in (Family.FEDORA, Family.SUSE):
        return f"python3-{name}"
    return f"python-{name}" if family is Family.ARCH else library.package


def in_nix(option: str, command: str = _NIX_SWITCH) -> str:
    """Return how an option of NixOS is set."""
    return f"{option} in {_NIX}, then: {command}"


def has_program(host: Host, name: str) -> bool:
    """Tell whether a program is installed."""
    return any(host.exists(f"{folder}/{name}") for folder in _PROGRAMS)


def act_on_service(host: Host, verb: str, name: str) -> str:
    """Return the command that starts, restarts or reloads a service."""
    init = find_init(host)
    if init is Init.SYSTEMD:
        return f"systemctl {verb} {name}"
    if init is Init.OPENRC:
        return f"rc-service {name} {verb}"
    script = f"/etc/init.d/{name}"
    if host.exists(script):
        return f"{script} {verb}"
    return f"send SIGHUP to {name}" if verb == "reload" else f"{verb} {name}"


def start_always(host: Host, name: str) -> str:
    """Return the command that starts a service, now and at each boot."""
    init, declared = find_init(host), f"systemd.services.{name}"
    if find_family(host) is Family.NIXOS:
        return in_nix(f'{declared}.wantedBy = [ "multi-user.target" ];')
    if init is Init.SYSTEMD:
        return f"systemctl enable --now {name}"
    if init is Init.OPENRC:
        return f"rc-update add {name} && rc-service {name} start"
    script = f"/etc/init.d/{name}"
    return f"{script} start" if host.exists(script) else f"start {name} from the init scripts"


def stop_always(host: Host, name: str) -> str:
    """Return the command that stops a service, and keeps it stopped after a boot."""
    init = find_init(host)
    if find_family(host) is Family.NIXOS:
        return in_nix(f"systemd.services.{name}.enable = false;")
    if init is Init.SYSTEMD:
        return f"systemctl disable --now {name}"
    if init is Init.OPENRC:
        return f"rc-service {name} stop && rc-update -a del {name}"
    script = f"/etc/init.d/{name}"
    # A program of busybox has the name of its daemon, and no script
    stop = f"{script} stop" if host.exists(script) else f"kill $(pidof {name})"
    return f"{stop}, and remove {name} from the init scripts"


def change_settings(host: Host, change: str) -> str:
    """Return how the configuration of klogd-py is changed: ``journal.mode = "forward"``."""
    is_nixos = find_family(host) is Family.NIXOS
    apply = _NIX_SWITCH if is_nixos else act_on_service(host, "reload", "klogd-py")
    return f"{change} in {name_settings(host)}, then: {apply}"


def name_settings(host: Host) -> str:
    """Return where the configuration of klogd-py is written."""
    is_nixos = find_family(host) is Family.NIXOS
    return f'environment.etc."klogd-py.toml" of {_NIX}' if is_nixos else _SETTINGS


def run_as_root(command: str) -> str:
    """Return a command of this program for root."""
    return f"sudo {command}" if shutil.which("sudo") else f"as root: {command}"


def set_sysctl(host: Host, name: str, value: str) -> str:
    """Return the command that sets a value of the kernel: ``kernel.printk_devkmsg``, ``on``."""
    if find_family(host) is Family.NIXOS:
        return in_nix(f'boot.kernel.sysctl."{name}" = "{value}";')
    command = f"sysctl -w {name}={value}"
    # A small Debian is without procps
    if host.is_this_machine and not has_program(host, "sysctl"):
        command = f"echo {value} > /proc/sys/{name.replace('.', '/')}"
    return on_its_host(host, command)


def set_kernel_parameter(host: Host, parameter: str) -> str:
    """Return how a parameter is added to the command line of the kernel: ``log_buf_len=4M``."""
    return on_its_host(host, _set_kernel_parameter(host, parameter))


def _set_kernel_parameter(host: Host, parameter: str) -> str:
    family, grub = find_family(host), "/etc/default/grub"
    if family is Family.NIXOS:
        return in_nix(f'boot.kernelParams = [ "{parameter}" ];', "nixos-rebuild boot && reboot")
    if has_program(host, "grubby"):
        return f"grubby --update-kernel=ALL --args={parameter} && reboot"
    if host.exists(grub):
        update = "grub-mkconfig -o /boot/grub/grub.cfg"
        if family in (Family.DEBIAN, Family.UBUNTU) or has_program(host, "update-grub"):
            update = "update-grub"
        elif has_program(host, "grub2-mkconfig") or family in (Family.SUSE, Family.FEDORA):
            update = "grub2-mkconfig -o /boot/grub2/grub.cfg"
        return f"add {parameter} to GRUB_CMDLINE_LINUX in {grub}, then: {update} && reboot"
    for file, where, update in (
        ("/etc/update-extlinux.conf", "default_kernel_opts in ", "update-extlinux && "),
        ("/etc/kernel/cmdline", "", "kernel-install add-all && "),
        ("/boot/firmware/cmdline.txt", "", ""),
        ("/boot/cmdline.txt", "", ""),
        ("/boot/loader/entries", "the line options of each file in ", ""),
    ):
        if host.exists(file):
            return f"add {parameter} to {where}{file}, then: {update}reboot"
    return f"add {parameter} to the kernel's command line in the boot loader, then: reboot"


def on_its_host(host: Host, command: str) -> str:
    """Return a command about the kernel, which a container has from its host."""
    return f"on the host of this container: {command}" if is_container(host) else command


def get_map(host: Host, family: Family | None = None) -> str:
    """Return how the map of a kernel is installed, of the machine's family if none is named."""
    release = host.release or "RELEASE"
    family = family or _find_kernel_family(host)
    if family is Family.ALPINE:
        return _get_map_of_alpine(host, release)
    found = {
        Family.DEBIAN: f"apt-get install linux-image-{release}-dbg",
        Family.UBUNTU: f"apt-get install linux-modules-{release}, and run klogd-py as root",
        Family.FEDORA: f"dnf install kernel-core-{release}",
        Family.SUSE: f"zypper install kernel-{_flavour(release, 'default')}",
        Family.ARCH: f"pacman -S {_arch_package(host)}-headers",
        Family.NIXOS: change_settings(host, f'symbols.map = "{_NIX_KERNEL}}}/System.map"'),
    }
    return found.get(family, f"copy the System.map of this kernel to /boot/System.map-{release}")


def get_debug_info(host: Host) -> str:
    """Return how a vmlinux with symbols is installed for the machine's kernel."""
    release = host.release or "RELEASE"
    found = {
        Family.DEBIAN: f"apt-get install linux-image-{release}-dbg",
        Family.UBUNTU: f"apt-get install linux-image-{release}-dbgsym (from ddebs.ubuntu.com)",
        Family.FEDORA: f"dnf debuginfo-install kernel-core-{release}",
        Family.SUSE: "zypper --plus-content debug install "
        f"kernel-{_flavour(release, 'default')}-debuginfo",
        Family.ARCH: f"pacman -S {_arch_package(host)}-headers",
        Family.NIXOS: change_settings(host, f'symbols.map = "{_NIX_KERNEL}.dev}}/vmlinux"'),
    }
    other = f"copy the vmlinux of this kernel to /usr/lib/debug/boot/vmlinux-{release}"
    return found.get(_find_kernel_family(host), other)


def _find_kernel_family(host: Host) -> Family:
    """Return the family of the kernel, which a container has from another distribution."""
    return Family.OTHER if is_container(host) else find_family(host)


def _get_map_of_alpine(host: Host, release: str) -> str:
    """Return how Alpine's map is used, whose name has the flavour instead of the release."""
    flavour = _flavour(release, "lts")
    own = f"/boot/System.map-{flavour}"
    if not host.exists(own):
        return f"apk add linux-{flavour}, then: {_use_map(host, own)}"
    return _use_map(host, own)


def _use_map(host: Host, path: str) -> str:
    return change_settings(host, f'symbols.map = "{path}"')


def _flavour(release: str, usual: str) -> str:
    """Return the last word of a release: ``6.4.0-150600.23-default`` gives ``default``."""
    last = release.rpartition("-")[2]
    return last if last.isalpha() else usual


def _arch_package(host: Host) -> str:
    """Return the package of an Arch kernel, which the directory of its modules names."""
    named = host.read_text(f"/usr/lib/modules/{host.release}/pkgbase")
    return named if named.replace("-", "").isalnum() else "linux"


def start_syslogd(host: Host) -> str:
    """Return how a syslog daemon that keeps facility kern is started, and installed if need be."""
    family = find_family(host)
    if family is Family.NIXOS:
        return in_nix("services.rsyslogd.enable = true;")
    if family is Family.OTHER and find_init(host) is Init.OTHER:
        return "start a syslogd"
    has_script = find_init(host) is not Init.OTHER or host.exists("/etc/init.d/rsyslog")
    if has_program(host, "rsyslogd") and not has_script:
        return "rsyslogd"
    if has_program(host, "rsyslogd") or family is Family.OTHER:
        return act_on_service(host, "start", "rsyslog")
    if family is Family.ALPINE:
        return start_always(host, "syslog")
    if family is Family.ARCH or has_program(host, "syslog-ng"):
        start = start_always(host, "syslog-ng@default" if family is Family.ARCH else "syslog-ng")
        installed = has_program(host, "syslog-ng")
        return start if installed else f"{install(host, 'syslog-ng')} && {start}"
    return install(host, "rsyslog")


def make_exclusive(host: Host) -> str:
    """Return how journald is told to leave the kernel's log to klogd-py."""
    if find_family(host) is Family.NIXOS:
        return in_nix('services.journald.extraConfig = "ReadKMsg=no";')
    target = "/etc/systemd/journald.conf.d/exclusive.conf"
    restart = act_on_service(host, "restart", "systemd-journald")
    return f"install -D {_find_example(host, 'journald-exclusive.conf')} {target} && {restart}"


def drop_second_copy(host: Host) -> str:
    """Return how rsyslog is told to drop what the journal forwards a second time."""
    example = _find_example(host, "rsyslog-klogd-py.conf")
    if find_family(host) is Family.NIXOS:
        return in_nix(f"the rule of {example} as services.rsyslogd.extraConfig")
    restart = act_on_service(host, "restart", "rsyslog")
    return f"cp {example} /etc/rsyslog.d/ && {restart}"


def _find_example(host: Host, name: str) -> str:
    """Return the path of a file of the documentation, its name alone if it is not installed."""
    places = (f"/usr{local}/share/doc/klogd-py/{name}" for local in ("", "/local"))
    return next(filter(host.exists, places), name)
