# SPDX-License-Identifier: GPL-2.0-or-later
# Functions for scripts/setup, which reads this file with `.`: which packages of the system are
# missing, what they are called here, and their installation, which happens on Debian only.
#
# OS_RELEASE names another /etc/os-release.
# shellcheck shell=sh disable=SC2154

# One of debian, fedora, suse, arch, alpine: by the name of the system and of those that it is like,
# then by the installer that is there. Nothing if none is known.
find_family() {
    os_release=${OS_RELEASE:-/etc/os-release}
    [ -e "$os_release" ] || os_release=/usr/lib/os-release
    words=$(ID='' ID_LIKE='' && . "$os_release" 2>/dev/null && echo "$ID $ID_LIKE") || words=
    for word in $words; do
        case $word in
            debian | ubuntu) echo debian ;;
            fedora | rhel | centos) echo fedora ;;
            suse | opensuse* | sles) echo suse ;;
            arch) echo arch ;;
            alpine) echo alpine ;;
            *) continue ;;
        esac
        return
    done
    for pair in apt-get:debian dnf:fedora zypper:suse pacman:arch apk:alpine; do
        if command -v "${pair%:*}" >/dev/null; then
            echo "${pair#*:}"
            return
        fi
    done
}

# What a need is called in each family: = as on Debian, - nothing, @ the name of the Python. Where
# the family is not known, Debian's name is as good as another.
package_for() {
    while read -r need debian fedora suse arch alpine; do
        [ "$need" = "$1" ] || continue
        case $family in
            fedora) name=$fedora ;;
            suse) name=$suse ;;
            arch) name=$arch ;;
            alpine) name=$alpine ;;
            *) name=$debian ;;
        esac
        [ "$name" != = ] || name=$debian
        echo "$name" | sed "s/@/$base/"
        return
    done <<'END'
python     @                      @                   @             python       python3
venv       @-venv                 @                   @             python       python3
headers    @-dev                  @-devel             @-devel       python       python3-dev
compiler   gcc                    =                   =             =            =
pkg-config pkg-config             pkgconf-pkg-config  =             pkgconf      pkgconf
libsystemd libsystemd-dev         systemd-devel       systemd-devel systemd-libs -
rsyslog    rsyslog                =                   =             -            =
mandoc     mandoc                 =                   =             =            =
systemd    systemd                =                   =             =            -
git        git                    =                   =             =            =
qemu-x86   qemu-system-x86        =                   qemu-x86      =            qemu-system-x86_64
qemu-arm qemu-system-arm qemu-system-aarch64 qemu-arm qemu-system-aarch64 qemu-system-aarch64
mmdebstrap mmdebstrap             =                   =             =            =
keyring    debian-archive-keyring debian-keyring      =             =            =
mkfs       e2fsprogs              =                   =             =            =
END
}

# The start of the name of Python's packages: python3 for the system's own, else with the version
python_base() {
    minor=$(minor_version "${python:-false}")
    own=$(minor_version /usr/bin/python3)
    case $family in
        suse) echo "python3${minor:-11}" ;;
        fedora) python_name "${minor:-${own:+12}}" ;;
        *) python_name "$minor" ;;
    esac
}

python_name() {
    case $1 in
        '' | "$own") echo python3 ;;
        *) echo "python3.$1" ;;
    esac
}

minor_version() {
    "$1" -I -c 'import sys; print(sys.version_info.minor)' 2>/dev/null || true
}

# need NAME COMMAND...: the package is missing unless the command succeeds.
need() {
    name=$(package_for "$1")
    shift
    case " $missing - " in
        *" $name "*) return ;;
    esac
    "$@" >/dev/null 2>&1 || missing="$missing $name"
}

# Building systemd-python needs the headers of Python.
has_headers() {
    "$1" -I -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'
}

has() {
    PATH=$PATH:/usr/sbin:/sbin command -v "$1"
}

has_compiler() {
    has gcc || has cc
}

# Fill `missing` and `python`, for the tests with `test`, for the virtual machines with `vm`.
find_missing() {
    missing=
    family=$(find_family)
    python=$(pick_python)
    base=$(python_base)
    need python test -n "$python"
    need venv "${python:-false}" -I -c 'import ensurepip, venv'
    if ! lacks_libsystemd; then
        need headers has_headers "${python:-false}"
        need compiler has_compiler
        need pkg-config pkg-config --version
        need libsystemd pkg-config --exists libsystemd
    fi
    if [ -n "$test" ]; then
        need rsyslog has rsyslogd
        need mandoc has mandoc
        need systemd has systemd-analyze
        need git git --version
    fi
    if [ -n "$vm" ]; then
        need qemu-x86 has qemu-system-x86_64
        need qemu-arm has qemu-system-aarch64
        need mmdebstrap has mmdebstrap
        need keyring test -e /usr/share/keyrings/debian-archive-keyring.gpg
        need mkfs has mkfs.ext4
        need git git --version
    fi
    missing=${missing# }
}

# Alpine has no libsystemd: there klogd-py runs without systemd-python, which would need it.
lacks_libsystemd() {
    [ "$family" = alpine ] && ! pkg-config --exists libsystemd 2>/dev/null
}

name_missing() {
    old=$(python3 -I -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || old=
    if [ -z "$python" ] && [ -n "$old" ] && [ "$family" != suse ] && [ "$family" != fedora ]; then
        say "klogd-py needs Python 3.11 or later; python3 is $old here" \
            "install a later one, and name it: PYTHON=python3.11 make run"
        return
    fi
    as_root=
    [ "$uid" = 0 ] || ! command -v sudo >/dev/null || as_root='sudo '
    case $family in
        debian) title=Debian with="apt-get install" ;;
        fedora) title=Fedora with="dnf install" ;;
        suse) title=openSUSE with="zypper install" ;;
        arch) title=Arch with="pacman -S --needed" ;;
        alpine) title=Alpine with="apk add" ;;
        *)
            say "klogd-py needs packages that are not installed; Debian calls them:" "  $missing"
            return
            ;;
    esac
    say "klogd-py needs $title packages that are not installed; as root:" \
        "  $as_root$with $missing"
}

# provide FUNCTION: install what is missing, if the caller is root and the system Debian, or say
# what to type. The function fills `missing` again.
provide() {
    [ -n "$missing" ] || return 0
    if [ "$uid" = 0 ] && [ "$family" = debian ] && command -v apt-get >/dev/null; then
        say "Debian packages are missing; you are root, so they are installed now:" \
            "  apt-get install --no-install-recommends $missing"
        install_debian_packages
        "$1"
        [ -n "$missing" ] || return 0
    fi
    name_missing
    exit 1
}

# An apt that was killed leaves dpkg in the middle of its work. The services that a package starts
# must not inherit the lock of this set-up.
install_debian_packages() {
    export DEBIAN_FRONTEND=noninteractive
    exec 8>&2
    if [ -n "$(find /var/lib/dpkg/updates -type f 2>/dev/null)" ] ||
        [ -n "$(dpkg --audit 2>/dev/null)" ]; then
        say "  dpkg was interrupted before: dpkg --configure -a"
        run_step apt "dpkg cannot finish what was interrupted" finish_dpkg 9>&-
    fi
    run_step apt "apt cannot install the packages" update_and_install 9>&-
    exec 8>&-
}

finish_dpkg() {
    while_locked dpkg --configure -a || true
    while_locked apt-get --fix-broken -y -qq install
}

update_and_install() {
    while_locked apt-get update -qq || true
    # shellcheck disable=SC2086
    while_locked apt-get install -y -qq --no-install-recommends $missing
}

# Run a command again while another apt is at work, as that of a set-up that was killed may be.
while_locked() {
    waits=0
    while :; do
        code=0
        said=$("$@" 2>&1 8>&-) || code=$?
        case $code$said in
            0*) break ;;
            *" lock"*) [ "$waits" -lt 150 ] || break ;;
            *) break ;;
        esac
        [ "$waits" != 0 ] || echo "  another apt is at work: waiting for it" >&8
        waits=$((waits + 1))
        sleep 2
    done
    printf '%s\n' "$said"
    return "$code"
}
