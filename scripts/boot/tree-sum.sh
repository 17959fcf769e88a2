# tree_sum: one checksum of every name below / with its type, mode, owner, time, links, device, target and contents, by
# programs that every root has (coreutils or busybox). What the kernel mounts on is left out.
tree_sum() {
  cd /
  {
    names | xargs -0 stat -c '%n %f %u %g %Y %t %T'
    names ! -type d | xargs -0 stat -c '%n %h %s'
    names -type l | xargs -0 -n 1 readlink
    names -type f | xargs -0 sha256sum
  } | sha256sum | cut -d ' ' -f 1
}
names() {
  find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./lost+found \) -prune -o "$@" -print0 | sort -z
}
