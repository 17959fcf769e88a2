# Follows tree-sum.sh. Runs as process 1, with the shell and the programs of the imported root.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
echo "ROOTLIFT-TREE $(tree_sum)"
echo "written by the guest" > /rootlift-guest
mkdir /rootlift-guest-files
n=0
while [ $n -lt 200 ]; do
  : > /rootlift-guest-files/$n
  n=$((n + 1))
done
sync
# Sync, read-only, off: what process 1 of a root without an init can do.
echo s > /proc/sysrq-trigger
sleep 1
echo u > /proc/sysrq-trigger
sleep 2
echo ROOTLIFT-END
echo o > /proc/sysrq-trigger
sleep 60
