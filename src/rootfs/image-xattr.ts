/**
 * Whether an attribute of that name may be an image's: `trusted.*` and `user.overlay.*` steer drivers of the machine and
 * never come out of a layer (`layer/entry-xattrs.ts`); of `system.*`, only ACLs are data.
 * @param name latin1
 */
export function isImageXattr(name: string): boolean {
  if (name.startsWith("user.")) return !name.startsWith("user.overlay.");
  return name.startsWith("security.") || name.startsWith("system.posix_acl_");
}
