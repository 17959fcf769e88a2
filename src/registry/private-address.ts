import { BlockList, isIP } from "node:net";

const PRIVATE = new BlockList();
PRIVATE.addSubnet("10.0.0.0", 8, "ipv4");
PRIVATE.addSubnet("172.16.0.0", 12, "ipv4");
PRIVATE.addSubnet("192.168.0.0", 16, "ipv4");
PRIVATE.addSubnet("100.64.0.0", 10, "ipv4");
PRIVATE.addSubnet("fc00::", 7, "ipv6");

/** RFC 1918, RFC 6598 and unique local addresses, by their text: names are not looked up. */
export function isPrivateAddress(hostname: string): boolean {
  const version = isIP(hostname);
  return version !== 0 && PRIVATE.check(hostname, version === 4 ? "ipv4" : "ipv6");
}
